package upstream

import (
	"errors"
	"time"
)

// What RoundTrip returns when it has no answer from a node, beside errors of the connection itself (*http1.Error).
var (
	ErrNoNode       = errors.New("no node is ready")
	ErrQueueFull    = errors.New("all nodes are busy and the queue is full")
	ErrQueueTimeout = errors.New("all nodes are busy: waited too long for a free one")
	ErrBreakerOpen  = errors.New("too many requests failed: circuit breaker is open")
	ErrTimeout      = errors.New("no response within the service's timeout")
	ErrTryTimeout   = errors.New("no response within the try's timeout")
	ErrDrained      = errors.New("node was drained before it had answered")
	ErrNodeDown     = errors.New("node stopped answering its probe")
)

// OpenError is ErrBreakerOpen with how long to stay away.
type OpenError struct{ RetryAfter time.Duration }

func (e *OpenError) Error() string { return ErrBreakerOpen.Error() }
func (e *OpenError) Unwrap() error { return ErrBreakerOpen }
