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

// replay is the body of a request over all its attempts. keepBody decides before the first attempt whether it can be
// sent again: a body of known length up to a limit is read whole, and a body in memory stays there. Any other body
// streams. It can be sent again only as long as nothing has been read from it. The body of a request with Expect streams,
// because the client sends it only when the node asks for it.
type replay struct {
	kept   []byte        // the whole body, or nil
	stream io.ReadCloser // the body if it streams, or nil
	lent   *streamBody   // the stream as the current attempt has it
}

// keepBody takes the body of req. Its error is a *[client.BodyError].
func keepBody(req *http.Request, limit int) (*replay, error) {
	b := &replay{}
	if m, ok := req.Body.(*exchange.MemoryBody); ok {
		b.kept = m.Bytes()
		return b, nil
	}
	switch {
	case req.Body == nil || req.Body == http.NoBody:
		return b, nil
	case req.ContentLength <= 0 || req.ContentLength > int64(limit) || len(req.Header["Expect"]) > 0:
		b.stream = req.Body
		return b, nil
	}
	b.kept = make([]byte, req.ContentLength)
	if _, err := io.ReadFull(req.Body, b.kept); err != nil {
		return nil, &client.BodyError{Err: fmt.Errorf("of %d bytes: %w", req.ContentLength, err)}
	}
	return b, nil
}

// streams reports whether the body is still to come from the client.
func (b *replay) streams() bool { return b.stream != nil }

// attach gives req the body for one more attempt. The observer of the attempt learns how a streamed body proceeds.
func (b *replay) attach(req *http.Request, observer bodyObserver) {
	switch {
	case b.kept != nil:
		req.Body = io.NopCloser(bytes.NewReader(b.kept))
		req.ContentLength = int64(len(b.kept))
	case b.stream != nil:
		b.lent = &streamBody{stream: b.stream, observer: observer}
		req.Body = b.lent
	default:
		req.Body = http.NoBody
		req.ContentLength = 0
	}
}

// reclaim takes the body back from an attempt that has ended. It reports whether the body can be sent from its start
// again. The connection of the attempt may still have a goroutine that will read the body: it gets an error.
func (b *replay) reclaim() bool {
	return b.lent == nil || b.lent.state.CompareAndSwap(bodyUntouched, bodyReclaimed)
}

// streamBody is a stream as the body of one attempt. Close does not close the stream, because the next attempt may need
// it. The server closes it in the end.
type streamBody struct {
	stream   io.Reader
	observer bodyObserver
	state    atomic.Int32
}

// bodyObserver learns who delays a body. The client delays it between bodyAwaited and bodySent, the node at other
// times.
type bodyObserver interface {
	bodyAwaited()       // the next piece has to come from the client
	bodySent(last bool) // a piece is on its way to the node
}

// States of a streamBody.
const (
	bodyUntouched int32 = iota
	bodyTouched         // something was read
	bodyReclaimed       // another attempt has it
)

var errReclaimed = errors.New("body belongs to another attempt")

func (b *streamBody) Read(p []byte) (int, error) {
	if !b.state.CompareAndSwap(bodyUntouched, bodyTouched) && b.state.Load() == bodyReclaimed {
		return 0, errReclaimed
	}
	b.observer.bodyAwaited()
	n, err := b.stream.Read(p)
	if err == nil || err == io.EOF {
		b.observer.bodySent(err == io.EOF)
	}
	return n, err
}

func (b *streamBody) Close() error { return nil }
