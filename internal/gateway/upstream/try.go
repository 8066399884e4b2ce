package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// Error is a try that failed: on which node, and how much of the request had left by then.
type Error struct {
	Node  string
	Stage client.Stage
	Err   error
}

func (e *Error) Error() string { return fmt.Sprintf("node %s: %v", e.Node, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// try is one request on one node, from the claim of its place until its answer's body has ended.
type try struct {
	pool   *Pool
	member *member
	ctx    context.Context
	cancel context.CancelCauseFunc
	moving atomic.Bool // it may be called back and sent to another node while there is no answer
	begun  time.Duration
	tunnel bool
	ended  atomic.Bool

	mu       sync.Mutex  // a streamed body is read by another goroutine
	timer    *time.Timer // until the response's header, or until the node has taken a piece of the body
	cause    error       // with which it ends the try
	answered bool        // the header is there: no timer any more
}

func (p *Pool) try(f *flight, m *member) (*http.Response, error) {
	t := &try{pool: p, member: m, begun: sinceEpoch()}
	t.moving.Store(!f.body.streams() && (idempotent(f.req.Method) || f.req.Header.Get("Idempotency-Key") != ""))
	t.ctx, t.cancel = context.WithCancelCause(f.req.Context())
	m.requests.Add(1)
	m.tries.add(t)
	if t.moving.Load() && !m.usable.Load() { // it went down between the pick and now; nobody else will tell us
		t.cancel(ErrNodeDown)
	}
	if !f.body.streams() {
		t.arm(time.Until(f.deadline), p.service.Retry.TryTimeout)
	}
	req := f.req.WithContext(t.ctx)
	f.body.attach(req, t)
	resp, err := m.exchange(p, req)
	if err == nil {
		p.observe(t, resp)
		resp, err = t.settle(resp)
	}
	if err != nil {
		err = t.failed(err)
		t.end()
		return nil, err
	}
	return resp, nil
}

// arm starts the clock for the response's header, or starts it anew. Zero limits are none.
func (t *try) arm(total, per time.Duration) {
	limit, cause := total, ErrTimeout
	if per > 0 && (per < limit || t.pool.service.Timeout == 0) {
		limit, cause = per, ErrTryTimeout
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.answered || t.pool.service.Timeout == 0 && per == 0 {
		return
	}
	t.cause = cause
	if t.timer != nil {
		t.timer.Reset(limit)
		return
	}
	t.timer = time.AfterFunc(limit, func() {
		t.mu.Lock()
		cause := t.cause
		t.mu.Unlock()
		t.cancel(cause)
	})
}

// bodyAwaited stops the clock while the client has to send more of its body.
func (t *try) bodyAwaited() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
	}
}

// bodySent gives the node as long to take a piece of the body as it has for its answer when it was the last.
func (t *try) bodySent(ended bool) {
	per := time.Duration(0)
	if ended {
		per = t.pool.service.Retry.TryTimeout
	}
	t.arm(t.pool.service.Timeout, per)
}

// observe draws what an answer's head says about the node.
func (p *Pool) observe(t *try, resp *http.Response) {
	if unavailable(resp) {
		t.member.failures.Add(1)
		p.nodeFailed(t.member)
		return
	}
	if resp.StatusCode == http.StatusServiceUnavailable {
		t.member.interval.failed.Add(1) // counts where its siblings do better; its speed is no reason to prefer it
	} else {
		now := sinceEpoch()
		t.member.latency.Observe(now, now-t.begun)
		t.member.interval.ok.Add(1)
	}
	if t.member.failuresInRow.Load() != 0 {
		t.member.failuresInRow.Store(0)
	}
}

// failed says what a try's error means, and counts it against the node when it is the node's.
func (t *try) failed(err error) error {
	stage := client.Sent
	if e := (*client.Error)(nil); errors.As(err, &e) {
		stage, err = e.Stage, e.Err
	}
	var body *client.BodyError
	if cause := context.Cause(t.ctx); cause != nil && !errors.As(err, &body) { // a broken body ends the context, too
		err = cause
	}
	if t.ctx.Err() == nil || errors.Is(err, ErrTimeout) || errors.Is(err, ErrTryTimeout) || errors.Is(err, ErrNodeDown) {
		if !errors.As(err, &body) {
			t.member.failures.Add(1)
			t.pool.nodeFailed(t.member)
		}
	}
	return &Error{Node: t.member.id, Stage: stage, Err: err}
}

// wholeBody is how large an answer of known length may be to be read before any of it is passed on. It makes a node's
// death in the middle of it a retry instead of a broken answer, and frees the node from slow downstreams.
const wholeBody = 32 << 10

var wholeBodies = sync.Pool{New: func() any { return new([wholeBody]byte) }}

// settle prepares a node's answer for the caller.
func (t *try) settle(resp *http.Response) (*http.Response, error) {
	switch n := resp.ContentLength; {
	case resp.StatusCode == http.StatusSwitchingProtocols:
		t.disarm()
		t.becomeTunnel()
		resp.Body = &tunnelBody{resp.Body.(io.ReadWriteCloser), t}
	case resp.Body == http.NoBody || n == 0:
		resp.Body.Close()
		resp.Body = http.NoBody
		t.end()
	case n > 0 && n <= wholeBody && resp.Request.Method != http.MethodHead:
		buf := wholeBodies.Get().(*[wholeBody]byte)
		_, err := io.ReadFull(resp.Body, buf[:n])
		resp.Body.Close()
		if err != nil {
			wholeBodies.Put(buf)
			return nil, err
		}
		t.end()
		resp.Body = &keptBody{buf: buf, rest: buf[:n]}
	default:
		t.disarm()
		t.moving.Store(false) // its answer is on the way downstream
		resp.Body = &liveBody{resp.Body, t}
	}
	return resp, nil
}

func (t *try) disarm() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answered = true
	if t.timer != nil {
		t.timer.Stop()
	}
}

// becomeTunnel turns a request into an upgraded connection: it no longer holds a place, but drain waits for it.
func (t *try) becomeTunnel() {
	t.moving.Store(false)
	t.tunnel = true
	t.member.tunnels.Add(1)
	t.pool.release(t.member)
}

// end gives back what the try holds. It may be called more than once.
func (t *try) end() {
	if !t.ended.CompareAndSwap(false, true) {
		return
	}
	t.disarm()
	t.cancel(nil)
	t.member.tries.remove(t)
	if t.tunnel {
		t.member.tunnels.Add(-1)
		t.member.tellIdle()
		return
	}
	t.pool.release(t.member)
}

// liveBody is an answer that is still coming in.
type liveBody struct {
	io.ReadCloser
	try *try
}

func (b *liveBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		if cause := context.Cause(b.try.ctx); cause != nil {
			err = cause
		}
		err = &Error{Node: b.try.member.id, Stage: client.Answered, Err: err}
	}
	return n, err
}

func (b *liveBody) Close() error {
	err := b.ReadCloser.Close()
	b.try.end()
	return err
}

// tunnelBody is an upgraded connection.
type tunnelBody struct {
	io.ReadWriteCloser
	try *try
}

func (b *tunnelBody) Close() error {
	err := b.ReadWriteCloser.Close()
	b.try.end()
	return err
}

// CloseWrite ends what is sent to the node; what it sends may go on.
func (b *tunnelBody) CloseWrite() error {
	if half, ok := b.ReadWriteCloser.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// AfterEnd calls f when the tunnel has to end: its node was drained, or the request's context is over.
func (b *tunnelBody) AfterEnd(f func()) (stop func() bool) { return context.AfterFunc(b.try.ctx, f) }

// keptBody is an answer that is already here.
type keptBody struct {
	buf  *[wholeBody]byte
	rest []byte
}

func (b *keptBody) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *keptBody) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(b.rest)
	b.rest = b.rest[n:]
	return int64(n), err
}

func (b *keptBody) Close() error {
	if b.buf != nil {
		wholeBodies.Put(b.buf)
		b.buf, b.rest = nil, nil
	}
	return nil
}
