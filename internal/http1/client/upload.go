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

	proceed  chan bool     // the decision after Expect: true sends the body; nil without Expect
	finished chan struct{} // closed when the goroutine ends
	state    atomic.Int32
	err      error // in state uploadBodyFailed
}

const (
	uploadRunning    = iota
	uploadLastWrite  // the last octets are being written, or are written
	uploadDone       // everything is written, and the body had its declared length
	uploadConnFailed // the connection failed
	uploadBodyFailed // the body failed
)

const (
	continueTimeout = time.Second           // after it, the body is sent to a peer that does not know Expect
	uploadGrace     = 50 * time.Millisecond // for the goroutine to report that it has written everything
)

var errBodyTooLong = errors.New("body is longer than its Content-Length")

func newUpload(nc net.Conn, req *http.Request, info requestInfo) *upload {
	u := &upload{nc: nc, body: req.Body, length: info.length, trailer: req.Trailer, finished: make(chan struct{})}
	if info.expect {
		u.proceed = make(chan bool, 1)
	}
	return u
}

// failedUpload returns the upload of a request whose first write failed.
func failedUpload() *upload {
	u := &upload{}
	u.state.Store(uploadConnFailed)
	return u
}

// run is the goroutine that sends the body.
func (u *upload) run() {
	defer close(u.finished)
	defer u.body.Close()
	if !u.awaitDecision() {
		u.state.Store(uploadConnFailed)
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
		u.state.Store(uploadBodyFailed)
		u.nc.SetDeadline(expired) // end the wait for the response
	default:
		u.state.Store(uploadConnFailed) // the reading side gets the same error, or an early response
	}
}

// awaitDecision waits for the peer's 100 (Continue) if the request expects one. It reports whether to send the body.
func (u *upload) awaitDecision() bool {
	if u.proceed == nil {
		return true
	}
	t := time.NewTimer(continueTimeout)
	defer t.Stop()
	select {
	case send := <-u.proceed:
		return send
	case <-t.C:
		return true
	}
}

// decide tells a waiting upload whether to send the body. Only the first call has an effect.
func (u *upload) decide(send bool) {
	select {
	case u.proceed <- send:
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
			u.state.Store(uploadLastWrite)
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
	const before, after = len("ffff\r\n"), len("\r\n0\r\n\r\n") // space around the data
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
			u.state.Store(uploadLastWrite)
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

// read reads until it has data or an error.
func (u *upload) read(p []byte) (n int, err error) {
	for range maxEmptyReads {
		if n, err = u.body.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// complete reports, at the end of the response, whether the whole request is sent.
func (u *upload) complete() bool {
	u.decide(false)
	if u.state.Load() == uploadLastWrite {
		t := time.NewTimer(uploadGrace)
		defer t.Stop()
		select {
		case <-u.finished:
		case <-t.C:
		}
	}
	return u.state.Load() == uploadDone
}

// bodyError returns the error of a body that failed, or nil.
func (u *upload) bodyError() error {
	if u.state.Load() == uploadBodyFailed {
		return u.err
	}
	return nil
}
