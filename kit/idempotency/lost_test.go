package idempotency

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"syscall"
	"testing"
)

type stateError string

func (e stateError) Error() string    { return "state " + string(e) }
func (e stateError) SQLState() string { return string(e) }

type unsentError bool

func (e unsentError) Error() string     { return "conn closed" }
func (e unsentError) SafeToRetry() bool { return bool(e) }

func TestIsConnectionLost(t *testing.T) {
	reset := &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{driver.ErrBadConn, true},
		{sql.ErrConnDone, true},
		{stateError("08006"), true},
		{stateError("08003"), true},
		{stateError("57P01"), true},
		{stateError("57P03"), true},
		{stateError("53300"), true},
		{stateError("57014"), false}, // a canceled query
		{stateError("23505"), false}, // a duplicate
		{stateError("40001"), false}, // busy, which isBusy tells
		{unsentError(true), true},
		{unsentError(false), false},
		{reset, true},
		{&net.DNSError{Err: "no such host", Name: "db"}, true},
		{net.ErrClosed, true},
		{&url.Error{Op: "Post", URL: "http://payments", Err: reset}, false},
		{io.EOF, false},
		{io.ErrUnexpectedEOF, false},
		{context.DeadlineExceeded, false},
		{context.Canceled, false},
		{sql.ErrNoRows, false},
		{sql.ErrTxDone, false},
		{errors.New("no stock"), false},
	} {
		for _, err := range []error{c.err, fmt.Errorf("insert: %w", c.err)} {
			if c.err == nil {
				err = nil
			}
			if got := isConnectionLost(err); got != c.want {
				t.Errorf("%v: %t, want %t", err, got, c.want)
			}
		}
	}
}
