package upstream

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// attempt is one request on one node, from the moment it has its slot until the body of its response has ended.
type attempt struct {
	pool     *Pool
	settings *Settings
	member   *member
	start    time.Duration // since epoch
	tunnel   bool          // the connection was upgraded: the attempt holds no slot any more
	ended    atomic.Bool
	running

	mu       sync.Mutex  // a streamed body is read by another goroutine
	timer    *time.Timer // runs until the response's header, or until the node has taken a piece of the body
	cause    error       // with which the timer cancels the attempt
	answered bool        // the header has arrived: the timer does not start again
}

// begin returns an attempt that is registered with its node. The attempt ends with the context of r at the latest.
func (p *Pool) begin(r *request, m *member) *attempt {
	a := &attempt{pool: p, settings: r.settings, member: m, start: sinceEpoch()}
	ctx, cancel := context.WithCancelCause(r.Context())
	a.req, a.cancel = r.WithContext(ctx), cancel
	a.retryable.Store(r.retryable())
	r.body.attach(a.req, a)
	m.requests.Add(1)
	m.running.add(&a.running)
	if a.retryable.Load() && !m.eligible.Load() {
		a.cancel(ErrNodeDown) // it went down after the pick; nodeDown may not have seen this attempt
	}
	if !r.body.streams() {
		a.owe()
		a.startTimer(r.deadline-a.start, r.settings.service.Retry.TryTimeout)
	}
	return a
}

// startTimer gives the node time for the header of its response: total for the request, perTry for this attempt. Zero
// perTry means no such limit; the service's timeout of zero means no limit for the request. A timer that runs starts
// again.
func (a *attempt) startTimer(total, perTry time.Duration) {
	unlimited := a.settings.service.Timeout == 0
	limit, cause := total, ErrTimeout
	if perTry > 0 && (perTry < limit || unlimited) {
		limit, cause = perTry, ErrTryTimeout
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.answered || unlimited && perTry == 0 {
		return
	}
	a.cause = cause
	if a.timer != nil {
		a.timer.Reset(limit)
		return
	}
	a.timer = time.AfterFunc(limit, a.timeOut)
}

// owe says that it is up to the node to go on. A stream of gRPC may have no response until its first message.
func (a *attempt) owe() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.owed.Store(!a.answered && !exchange.IsGRPC(a.req))
}

func (a *attempt) timeOut() {
	a.mu.Lock()
	cause := a.cause
	a.mu.Unlock()
	a.cancel(cause)
}

// stopTimer stops the timer for good.
func (a *attempt) stopTimer() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answered = true
	a.owed.Store(false)
	if a.timer != nil {
		a.timer.Stop()
	}
}

// bodyAwaited implements bodyObserver. It stops the timer while the client has to send more of its body.
func (a *attempt) bodyAwaited() {
	a.owed.Store(false)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer != nil {
		a.timer.Stop()
	}
}

// bodySent implements bodyObserver. It gives the node the service's timeout to take the piece of the body. After the
// last piece, the timeout per try counts, too.
func (a *attempt) bodySent(last bool) {
	a.owe()
	perTry := time.Duration(0)
	if last {
		perTry = a.settings.service.Retry.TryTimeout
	}
	a.startTimer(a.settings.service.Timeout, perTry)
}

// becomeTunnel turns the attempt into an upgraded connection: it gives its slot back, but a drain waits for it.
func (a *attempt) becomeTunnel() {
	a.retryable.Store(false)
	a.tunnel = true
	a.member.tunnels.Add(1)
	a.pool.release(a.member)
}

// end gives back what the attempt holds. It may be called more than once.
func (a *attempt) end() {
	if !a.ended.CompareAndSwap(false, true) {
		return
	}
	a.stopTimer()
	a.cancel(nil)
	a.member.running.remove(&a.running)
	if a.tunnel {
		a.member.tunnels.Add(-1)
		a.member.reportIdle()
		return
	}
	a.pool.release(a.member)
}

// hadTime reports whether the node had at least half of the service's timeout. The queue, or an earlier attempt on another
// node, may have used up the rest: then the timeout is not the fault of this node.
func (a *attempt) hadTime() bool { return sinceEpoch()-a.start >= a.settings.service.Timeout/2 }

// fail ends the attempt, and returns what its error means. It counts the failure against the node when the node is the
// cause: see fault.
func (a *attempt) fail(err error) error {
	stage := client.Sent
	if e := (*client.Error)(nil); errors.As(err, &e) {
		stage, err = e.Stage, e.Err
	}
	ctx := a.req.Context()
	if !isBodyError(err) { // a body that cannot be read from the client also ends the context
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
	}
	switch faultOf(err, ctx.Err() != nil) {
	case faultShortage:
		err = a.pool.shortage(err)
	case faultLimit:
		err = a.pool.aboveLimit(err)
	case faultRefused:
		a.pool.nodeRefused(a.member)
	case faultUnreached, faultNode:
		if !errors.Is(err, ErrTimeout) || a.hadTime() {
			a.pool.nodeFailed(a.member)
		}
	}
	a.end()
	return &Error{Node: a.member.id, Stage: stage, Err: err}
}
