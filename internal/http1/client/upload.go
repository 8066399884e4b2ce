package client

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// upload sends a request body while the caller's goroutine reads the response.
type upload struct {
	nc      net.Conn
	body    io.ReadCloser
	length  int64 // -1: chunked
	trailer http.Header

	proceed  chan bool     // with Expect: true when the peer wants the body, false when it does not; otherwise nil
	finished chan struct{} // closed when the goroutine is done
	state    atomic.Int32
	err      error // with uploadRefused
}

const (
	uploadGoing   = iota
	uploadEnding  // the last octets are being written, or were
	uploadDone    // they were, and the body ended where it should
	uploadBroken  // the connection failed
	uploadRefused // the body failed
)

const (
	continueTimeout = time.Second           // a peer that does not know Expect gets the body after this
	uploadGrace     = 50 * time.Millisecond // for a goroutine that has written everything and did not get to say so
)

var errBodyTooLong = errors.New("body is longer than its Content-Length")

func newUpload(nc net.Conn, req *http.Request, p plan) *upload {
	u := &upload{nc: nc, body: req.Body, length: p.length, trailer: req.Trailer, finished: make(chan struct{})}
	if p.expect {
		u.proceed = make(chan bool, 1)
	}
	return u
}

// brokenUpload stands for a request of which the first write failed.
func brokenUpload() *upload {
	u := &upload{}
	u.state.Store(uploadBroken)
	return u
}

// run is the goroutine.
func (u *upload) run() {
	defer close(u.finished)
	defer u.body.Close()
	if !u.wanted() {
		u.state.Store(uploadBroken)
		return
	}
	buf := wire.GetBuffer()
	defer wire.PutBuffer(buf)
	var err error
	if u.length >= 0 {
		err = u.sendFixed(buf[:])
	} else {
		err = u.sendChunked(buf[:])
	}
	switch bad := (*BodyError)(nil); {
	case err == nil:
		u.state.Store(uploadDone)
	case errors.As(err, &bad):
		u.err = err
		u.state.Store(uploadRefused)
		u.nc.SetDeadline(past) // the response must not be waited for
	default:
		u.state.Store(uploadBroken) // the reading side finds out by itself, or finds an early response
	}
}

// wanted waits for the peer's 100 (Continue), if it was asked.
func (u *upload) wanted() bool {
	if u.proceed == nil {
		return true
	}
	t := time.NewTimer(continueTimeout)
	defer t.Stop()
	select {
	case wanted := <-u.proceed:
		return wanted
	case <-t.C:
		return true
	}
}

// answer tells an upload that waits for it what the peer said. Only the first answer counts.
func (u *upload) answer(wanted bool) {
	select {
	case u.proceed <- wanted:
	default:
	}
}

func (u *upload) sendFixed(buf []byte) error {
	for left := u.length; left > 0; {
		n, err := u.read(buf)
		if int64(n) > left {
			return &BodyError{errBodyTooLong}
		}
		if left -= int64(n); left == 0 {
			u.state.Store(uploadEnding)
		}
		if n > 0 {
			if _, werr := u.nc.Write(buf[:n]); werr != nil {
				return werr
			}
		}
		switch {
		case err == io.EOF && left > 0:
			return &BodyError{fmt.Errorf("body ended %d bytes before its Content-Length: %w", left, io.ErrUnexpectedEOF)}
		case err == io.EOF:
			return nil
		case err != nil:
			return &BodyError{err}
		}
	}
	n, err := u.read(buf[:1])
	if n > 0 {
		return &BodyError{errBodyTooLong}
	}
	if err != io.EOF {
		return &BodyError{err}
	}
	return nil
}

func (u *upload) sendChunked(buf []byte) error {
	const before, after = len("ffff\r\n"), len("\r\n0\r\n\r\n") // room around the data
	for {
		n, err := u.read(buf[before : len(buf)-after])
		if err != nil && err != io.EOF {
			return &BodyError{err}
		}
		var out []byte
		if n > 0 {
			var size [before]byte
			head := wire.AppendChunkSize(size[:0], n)
			out = buf[before-len(head) : before+n]
			copy(out, head)
			out = append(out, "\r\n"...)
		} else {
			out = buf[:0]
		}
		if err == io.EOF {
			out = append(out, "0\r\n"...)
			if out, err = u.appendTrailer(out); err != nil {
				return &BodyError{err}
			}
			u.state.Store(uploadEnding)
			_, err = u.nc.Write(out)
			return err
		}
		if _, err := u.nc.Write(out); err != nil {
			return err
		}
	}
}

func (u *upload) appendTrailer(b []byte) (_ []byte, err error) {
	for name, values := range u.trailer {
		if wire.ForbiddenInTrailer(name) {
			return nil, fmt.Errorf("invalid trailer name %q", name)
		}
		if b, err = appendField(b, name, values); err != nil {
			return nil, err
		}
	}
	return append(b, "\r\n"...), nil
}

// read reads until there is something.
func (u *upload) read(p []byte) (n int, err error) {
	for range 100 {
		if n, err = u.body.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// settled reports, at the end of the response, whether the request is fully sent as well.
func (u *upload) settled() bool {
	u.answer(false)
	if u.state.Load() == uploadEnding {
		t := time.NewTimer(uploadGrace)
		defer t.Stop()
		select {
		case <-u.finished:
		case <-t.C:
		}
	}
	return u.state.Load() == uploadDone
}

// refused returns the error of a body that failed, or nil.
func (u *upload) refused() error {
	if u.state.Load() == uploadRefused {
		return u.err
	}
	return nil
}
