package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// replay is a request's body over several tries. Whether it can be sent again is decided before the first one: a body of
// known length up to a limit is read whole, one that is in memory already stays there, any other streams and can be sent
// again only while nobody has read from it.
type replay struct {
	kept   []byte        // the whole body, or nil
	stream io.ReadCloser // else, nil for no body
	lent   *streamBody   // stream as the try has it that is under way
}

// keepBody takes req's body over. Its error is an *client.BodyError.
func keepBody(req *http.Request, limit int) (*replay, error) {
	b := &replay{}
	if m, ok := req.Body.(*exchange.MemoryBody); ok {
		b.kept = m.Bytes()
		return b, nil
	}
	switch {
	case req.Body == nil || req.Body == http.NoBody:
		return b, nil
	case req.ContentLength <= 0 || req.ContentLength > int64(limit):
		b.stream = req.Body
		return b, nil
	}
	b.kept = make([]byte, req.ContentLength)
	if _, err := io.ReadFull(req.Body, b.kept); err != nil {
		return nil, &client.BodyError{Err: fmt.Errorf("of %d bytes: %w", req.ContentLength, err)}
	}
	return b, nil
}

// reclaim takes the body back from a try that is over, and reports whether it can be sent from its start again. The try's
// connection may have a goroutine left that has not come to read: it gets nothing any more.
func (b *replay) reclaim() bool {
	return b.lent == nil || b.lent.state.CompareAndSwap(bodyUntouched, bodyReclaimed)
}

// streams reports whether the body is still to come from the downstream.
func (b *replay) streams() bool { return b.stream != nil }

// attach gives req the body for one more try, which hears how the body goes when it streams.
func (b *replay) attach(req *http.Request, t watch) {
	switch {
	case b.kept != nil:
		req.Body = io.NopCloser(bytes.NewReader(b.kept))
		req.ContentLength = int64(len(b.kept))
	case b.stream != nil:
		b.lent = &streamBody{stream: b.stream, watch: t}
		req.Body = b.lent
	default:
		req.Body = http.NoBody
		req.ContentLength = 0
	}
}

// streamBody is a stream as the body of one try. Closing it does not close the stream: the next try may still need it,
// and its owner, the server, closes it in the end.
type streamBody struct {
	stream io.Reader
	watch  watch
	state  atomic.Int32
}

// watch tells a client's slowness from a node's: what was read is with the node until the next read.
type watch interface {
	bodyAwaited()        // the next piece is to come from the client
	bodySent(ended bool) // a piece is on its way to the node, the last one if ended
}

const (
	bodyUntouched int32 = iota
	bodyTouched         // something was read
	bodyReclaimed       // another try has it
)

var errReclaimed = errors.New("body was taken back for another try")

func (b *streamBody) Read(p []byte) (int, error) {
	if !b.state.CompareAndSwap(bodyUntouched, bodyTouched) && b.state.Load() == bodyReclaimed {
		return 0, errReclaimed
	}
	b.watch.bodyAwaited()
	n, err := b.stream.Read(p)
	if err == nil || err == io.EOF {
		b.watch.bodySent(err == io.EOF)
	}
	return n, err
}

func (b *streamBody) Close() error { return nil }
