package std

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// body is a request's body. The goroutine that sends the request to a node may read it while the handler runs.
//
// Over HTTP/1, net/http reads the rest of a body itself: before it writes the header of a response, and again when
// the handler has returned. Both would compete with the goroutine that sends the body to the node: the node would
// miss bytes, or the response would wait for a client that waits for the response. Therefore:
//   - a response that starts before its body has been read is sent at once and is the last one on its connection;
//   - a read that is in progress when the handler returns is interrupted.
type body struct {
	io.ReadCloser
	w     http.ResponseWriter
	conn  http.ResponseController
	http1 bool

	reading sync.Mutex // held during a read
	err     error      // of the last read

	mu          sync.Mutex // guards what follows, and the connection's read deadline
	pieceBy     time.Time  // when the next piece must have been read; zero: no limit
	wholeBy     time.Time  // when the whole body must have been read; zero: no limit
	started     bool       // a read has begun
	ended       bool       // the body was read to its end
	early       bool       // the response starts before the body's end
	handlerDone bool       // the handler has returned: no read may begin
}

var (
	past        = time.Unix(1, 0)
	errAnswered = errors.New("request was answered before its body was read")
)

func newBody(w http.ResponseWriter, r *http.Request) *body {
	return &body{ReadCloser: r.Body, w: w, conn: *http.NewResponseController(w), http1: r.ProtoMajor == 1}
}

// Read reads the next piece, within the limits of SetReadDeadline and ReadBodyBy.
func (b *body) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if !b.start() {
		return 0, errAnswered
	}
	n, err := b.ReadCloser.Read(p)
	b.err = err
	if err == io.EOF {
		b.end()
	}
	return n, err
}

func (b *body) start() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.handlerDone {
		return false
	}
	b.started = true
	return true
}

func (b *body) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	if (!b.pieceBy.IsZero() || !b.wholeBy.IsZero()) && !b.handlerDone {
		// The deadline would end the read with which net/http waits for the client to disconnect, and cancel the request.
		b.conn.SetReadDeadline(time.Time{})
	}
}

// setDeadline sets one of the two limits, and the read deadline of the connection to the earlier one.
func (b *body) setDeadline(limit *time.Time, t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	*limit = t
	if b.ended || b.handlerDone {
		return
	}
	deadline := b.pieceBy
	if deadline.IsZero() || !b.wholeBy.IsZero() && b.wholeBy.Before(deadline) {
		deadline = b.wholeBy
	}
	b.conn.SetReadDeadline(deadline)
}

// fault returns the error of the last read; nil for the end of the body. A read in progress is about to return.
func (b *body) fault() error {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.err == io.EOF {
		return nil
	}
	return b.err
}

func (b *body) isStarted() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.started
}

// respondEarly makes the next response the last one on its connection, and independent of the rest of the body. HTTP/2
// needs no preparation.
func (b *body) respondEarly() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.http1 && !b.ended {
		b.early = true
		b.conn.EnableFullDuplex()
		b.w.Header().Set("Connection", "close")
	}
}

// release is called when the handler has returned. It interrupts a read that is in progress, and makes net/http read
// no more. It does nothing for a body of which nothing was read (see AbandonBody), nor over HTTP/2, which closes the
// stream and thereby the body.
func (b *body) release() {
	b.mu.Lock()
	b.handlerDone = true
	interrupt := b.http1 && !b.ended && (b.started || b.early)
	if interrupt {
		b.conn.SetReadDeadline(past)
	}
	b.mu.Unlock()
	if !interrupt {
		return
	}
	b.reading.Lock()
	defer b.reading.Unlock()
	lingeringClose(b.w)
}

// lingeringClose makes net/http close the connection as it does after a body that is too large: first the writing half,
// so that the client has time to read the response. A close with unread data in the socket would discard the response.
func lingeringClose(w http.ResponseWriter) {
	http.MaxBytesReader(w, io.NopCloser(strings.NewReader("x")), 0).Read(make([]byte, 1))
}
