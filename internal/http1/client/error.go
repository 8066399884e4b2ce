package client

import (
	"context"
	"errors"
	"fmt"
)

// Stage is how far a request had come when it failed: what a retry policy needs to know.
type Stage uint8

const (
	NotSent  Stage = iota // no byte of the request left
	Sent                  // some or all of it left, and no complete response head came back
	Answered              // the response head was seen; its body broke
)

func (s Stage) String() string {
	return [...]string{"not sent", "sent", "answered"}[s]
}

// Error is what every failed message ends in, as the error of RoundTrip, Exchange or the response body's Read.
//
// When the request's context ended, both its Err and its Cause are found by errors.Is and errors.As.
type Error struct {
	Stage Stage
	Err   error
}

func (e *Error) Error() string { return "http1: " + e.Stage.String() + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// MalformedError is an answer that breaks the protocol, or that could be read in two ways.
type MalformedError struct{ Reason string }

func (e *MalformedError) Error() string { return "malformed response: " + e.Reason }

// BodyError is a request body that could not be read or had another length than it declared: the fault of whoever
// supplied it, not of the peer.
type BodyError struct{ Err error }

func (e *BodyError) Error() string { return "read request body: " + e.Err.Error() }
func (e *BodyError) Unwrap() error { return e.Err }

var (
	errNotReusable = errors.New("connection cannot carry another message")
	errPeerClosed  = errors.New("peer closed the connection before it answered")
	errReadClosed  = errors.New("read on closed response body")
)

// ended says that the context is over, and why.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
