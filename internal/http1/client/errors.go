package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// Stage says how far a request had come when it failed. A retry policy decides by it.
type Stage uint8

const (
	NotSent  Stage = iota // no byte of the request was sent
	Sent                  // some or all of it was sent, and no complete response head came back
	Answered              // the response head was read, and its body failed
)

func (s Stage) String() string {
	return [...]string{"not sent", "sent", "answered"}[s]
}

// Error is the error of each failed message: of RoundTrip, of Exchange and of the response body's Read.
//
// If the context of the request ended, errors.Is and errors.As find both its Err and its Cause.
type Error struct {
	Stage Stage
	Err   error
}

func (e *Error) Error() string { return "http1: " + e.Stage.String() + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// MalformedError is a response that breaks the protocol or is ambiguous.
type MalformedError struct{ Reason string }

func (e *MalformedError) Error() string { return "malformed response: " + e.Reason }

// Names of the limits of a LimitError.
const (
	LimitHeaderBytes = "header_bytes"
	LimitHeaderLines = "header_lines"
)

// LimitError is a valid response that is larger than a limit of the connection. The limit is a decision of this side: the
// error says nothing about the health of the peer.
type LimitError struct {
	Limit string // one of the names above
	Value int    // of the limit
}

func (e *LimitError) Error() string {
	if e.Limit == LimitHeaderBytes {
		return fmt.Sprintf("response header too large: more than %d bytes", e.Value)
	}
	return fmt.Sprintf("response has too many header lines: more than %d", e.Value)
}

// violated returns the error of a head or of framing that breaks a rule or a limit.
func (c *Conn) violated(v *wire.Violation) error {
	switch v {
	case wire.HeadTooLarge:
		return &LimitError{LimitHeaderBytes, c.limits.Bytes}
	case wire.TooManyLines:
		return &LimitError{LimitHeaderLines, c.limits.Lines}
	}
	return &MalformedError{v.Reason}
}

// BodyError is a request body that failed to read or that had another length than declared. The cause is the sender of
// the body, not the peer.
type BodyError struct{ Err error }

func (e *BodyError) Error() string { return "read request body: " + e.Err.Error() }
func (e *BodyError) Unwrap() error { return e.Err }

var (
	errNotReusable = errors.New("connection cannot carry another message")
	errPeerClosed  = errors.New("peer closed the connection before it answered")
	errReadClosed  = errors.New("read on closed response body")
)

// contextError returns the error and the cause of a context that ended.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
