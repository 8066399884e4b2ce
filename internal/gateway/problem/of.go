package problem

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/upstream"
	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// Of returns the problem for any error: the Problem in err if it has one, and otherwise the one that the error of the
// engine, of the request's body or of the pool means. An unknown error is a failure of the node.
func Of(r *http.Request, err error) *Problem {
	var p *Problem
	var refusal *exchange.Refusal
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &refusal):
		return refused(refusal)
	}
	x := exchange.From(r)
	if refusal := x.Refusal(); refusal != nil { // the body broke the protocol while it was read
		return refused(refusal).With(err)
	}
	var body *client.BodyError
	switch fault := x.BodyFault(); {
	case fault != nil:
		return ofBody(fault).With(err)
	case errors.As(err, &body):
		return ofBody(body).With(err)
	case r.Context().Err() != nil:
		return ClientGone.With(err)
	}
	return ofPool(err).With(err)
}

// refused is the problem of a request that the engine refused.
func refused(refusal *exchange.Refusal) *Problem {
	p := &Problem{Status: refusal.Status, Reason: "malformed", Detail: refusal.Reason}
	if refusal.PlainHTTP {
		p.Reason, p.PlainText = "plain_http", true
	}
	if p.Status == http.StatusMethodNotAllowed {
		p.Allow = Methods
	}
	return p
}

// ofBody is the problem of a request whose body could not be read to its end.
func ofBody(err error) *Problem {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return BodyTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return BodyTooSlow
	case errors.Is(err, context.Canceled), errors.Is(err, io.ErrUnexpectedEOF):
		return ClientGone
	}
	return BodyUnreadable
}

// ofPool is the problem of a request that no node answered.
func ofPool(err error) *Problem {
	var open *upstream.OpenError
	var limit *upstream.ResponseLimitError
	switch {
	case errors.As(err, &limit):
		return &Problem{Status: http.StatusBadGateway, Reason: ReasonResponseLimit, Detail: limit.Error()}
	case errors.As(err, new(*upstream.ShortageError)):
		return Shortage
	case errors.As(err, &open):
		p := *BreakerOpen
		p.RetryAfter = max(time.Second, open.RetryAfter)
		return &p
	case errors.Is(err, upstream.ErrNoNode):
		return NoNode
	case errors.Is(err, upstream.ErrQueueFull):
		return QueueFull
	case errors.Is(err, upstream.ErrQueueTimeout):
		return QueueTimeout
	case errors.Is(err, upstream.ErrTimeout), errors.Is(err, upstream.ErrTryTimeout):
		return Timeout
	case errors.Is(err, upstream.ErrDrained):
		return Drained
	case isDial(err):
		return Unreachable
	}
	return NodeFailed
}

// NotAllowed is the problem of a request to a path that has routes for other methods only.
func NotAllowed(methods []string) *Problem {
	return &Problem{Status: http.StatusMethodNotAllowed, Reason: "method", Allow: methods,
		Detail: "allowed methods: " + strings.Join(methods, ", ")}
}

// isDial reports whether the last try ended before there was a connection to a node.
func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
