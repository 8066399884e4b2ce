package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// maxBuffered is the size of the largest response of known length that is read whole before any of it is passed on.
// If the node dies while it sends such a response, the request can be repeated. The node is also free before a slow
// client has read the response.
const maxBuffered = 32 << 10

var buffers = sync.Pool{New: func() any { return new([maxBuffered]byte) }}

// deliver prepares the response of an attempt for the caller of RoundTrip. It ends the attempt when the response is
// complete; otherwise the body ends it.
func (a *attempt) deliver(resp *http.Response) error {
	switch n := resp.ContentLength; {
	case resp.StatusCode == http.StatusSwitchingProtocols:
		a.stopTimer()
		a.becomeTunnel()
		resp.Body = &tunnelBody{resp.Body.(io.ReadWriteCloser), a}
	case resp.Body == http.NoBody || n == 0:
		resp.Body.Close()
		resp.Body = http.NoBody
		a.end()
	case n > 0 && n <= maxBuffered && resp.Request.Method != http.MethodHead:
		a.stopTimer() // the timeouts end with the header
		buf := buffers.Get().(*[maxBuffered]byte)
		_, err := io.ReadFull(resp.Body, buf[:n])
		resp.Body.Close()
		if err != nil {
			buffers.Put(buf)
			return err
		}
		a.end()
		resp.Body = &bufferedBody{buf: buf, rest: buf[:n]}
	default:
		a.stopTimer()
		a.retryable.Store(false) // a part of the response may be on its way to the client
		resp.Body = &streamedBody{resp.Body, a}
	}
	return nil
}

// streamedBody is a response that the node is still sending.
type streamedBody struct {
	io.ReadCloser
	attempt *attempt
}

func (b *streamedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		if cause := context.Cause(b.attempt.req.Context()); cause != nil {
			err = cause
		}
		err = &Error{Node: b.attempt.member.id, Stage: client.Answered, Err: err}
	}
	return n, err
}

func (b *streamedBody) Close() error {
	err := b.ReadCloser.Close()
	b.attempt.end()
	return err
}

// bufferedBody is a response that is in memory.
type bufferedBody struct {
	buf  *[maxBuffered]byte // nil after Close
	rest []byte
}

func (b *bufferedBody) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *bufferedBody) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(b.rest)
	b.rest = b.rest[n:]
	return int64(n), err
}

func (b *bufferedBody) Close() error {
	if b.buf != nil {
		buffers.Put(b.buf)
		b.buf, b.rest = nil, nil
	}
	return nil
}

// tunnelBody is an upgraded connection. It implements exchange.Tunnel.
type tunnelBody struct {
	io.ReadWriteCloser
	attempt *attempt
}

func (b *tunnelBody) Close() error {
	err := b.ReadWriteCloser.Close()
	b.attempt.end()
	return err
}

// CloseWrite ends what is sent to the node. The node may go on sending.
func (b *tunnelBody) CloseWrite() error {
	if half, ok := b.ReadWriteCloser.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// AfterEnd calls f when the tunnel has to end: its node was drained, or the context of the request has ended.
func (b *tunnelBody) AfterEnd(f func()) (stop func() bool) {
	return context.AfterFunc(b.attempt.req.Context(), f)
}
