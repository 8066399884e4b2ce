package upstream

import (
	"errors"
	"fmt"
	"time"

	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// Errors of RoundTrip when no node responded. An *[Error] wraps those that belong to an attempt on a node.
var (
	ErrNoNode       = errors.New("no node is ready")
	ErrQueueFull    = errors.New("all nodes are busy and the queue is full")
	ErrQueueTimeout = errors.New("all nodes are busy: no slot became free in time")
	ErrBreakerOpen  = errors.New("too many requests failed: circuit breaker is open")
	ErrTimeout      = errors.New("no response within the service's timeout")
	ErrTryTimeout   = errors.New("no response within the timeout of a try")
	ErrDrained      = errors.New("node was drained before it responded")
	ErrNodeDown     = errors.New("node stopped answering its probe")
)

// OpenError is ErrBreakerOpen with the time after which the client may try again.
type OpenError struct{ RetryAfter time.Duration }

func (e *OpenError) Error() string { return ErrBreakerOpen.Error() }
func (e *OpenError) Unwrap() error { return ErrBreakerOpen }

// Error is a failed attempt: the node, and how much of the request had been sent.
type Error struct {
	Node  string
	Stage client.Stage
	Err   error
}

func (e *Error) Error() string { return fmt.Sprintf("node %s: %v", e.Node, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// stageOf returns how much of a failed request had been sent. For an unknown error it returns Sent, because the request
// may have reached the node.
func stageOf(err error) client.Stage {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Stage
	}
	return client.Sent
}

// isBodyError reports whether err says that the body of the request could not be read from the client.
func isBodyError(err error) bool {
	if err == nil {
		return false // without an allocation for body
	}
	var body *client.BodyError
	return errors.As(err, &body)
}
