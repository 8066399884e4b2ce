package upstream

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/tenfold-go/tenfold/internal/http1"
)

// replay is a request's body over several tries. Whether it can be sent again is decided before the first one: a body of
// known length up to a limit is read whole, any other streams and can be sent again only while nobody has read from it.
type replay struct {
	kept    []byte        // the whole body, or nil
	stream  io.ReadCloser // else, nil for no body
	touched atomic.Bool   // something was read from stream
	ended   func()        // told once when stream was read to its end; set by each try
}

// keepBody takes req's body over. Its error is an *http1.BodyError.
func keepBody(req *http.Request, limit int) (*replay, error) {
	b := &replay{}
	switch {
	case req.Body == nil || req.Body == http.NoBody:
		return b, nil
	case req.ContentLength <= 0 || req.ContentLength > int64(limit):
		b.stream = req.Body
		return b, nil
	}
	b.kept = make([]byte, req.ContentLength)
	if _, err := io.ReadFull(req.Body, b.kept); err != nil {
		return nil, &http1.BodyError{Err: fmt.Errorf("of %d bytes: %w", req.ContentLength, err)}
	}
	return b, nil
}

// whole reports whether the body can be sent from its start.
func (b *replay) whole() bool { return b.stream == nil || !b.touched.Load() }

// streams reports whether the body is still to come from the downstream.
func (b *replay) streams() bool { return b.stream != nil }

// attach gives req the body for one more try.
func (b *replay) attach(req *http.Request) {
	switch {
	case b.kept != nil:
		req.Body = io.NopCloser(bytes.NewReader(b.kept))
		req.ContentLength = int64(len(b.kept))
	case b.stream != nil:
		req.Body = (*streamBody)(b)
	default:
		req.Body = http.NoBody
		req.ContentLength = 0
	}
}

// streamBody is a replay as the body of a try. Closing it does not close the stream: the next try may still need it, and
// its owner, the server, closes it in the end.
type streamBody replay

func (b *streamBody) Read(p []byte) (int, error) {
	b.touched.Store(true)
	n, err := b.stream.Read(p)
	if err == io.EOF && b.ended != nil {
		b.ended()
	}
	return n, err
}

func (b *streamBody) Close() error { return nil }
