package idempotency

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"net/url"
	"strings"
)

// isConnectionLost reports whether an error says that the connection to the database is lost or cannot be opened. Like
// isBusy, it needs no driver.
//
// The end of a connection alone (io.EOF) does not count: an effect also gets it from a request body. The error of an
// HTTP call (url.Error) does not count either: it is about another server.
func isConnectionLost(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || isUnsent(err) {
		return true
	}
	var postgres interface{ SQLState() string }
	if errors.As(err, &postgres) {
		switch state := postgres.SQLState(); {
		case strings.HasPrefix(state, "08"): // connection exception
			return true
		case strings.HasPrefix(state, "57P"): // shutdown of the server or of the backend, crash, not started yet
			return true
		case state == "53300": // too many connections
			return true
		}
	}
	var call *url.Error
	if errors.As(err, &call) {
		return false
	}
	var operation *net.OpError
	var name *net.DNSError
	return errors.As(err, &operation) || errors.As(err, &name) || errors.Is(err, net.ErrClosed)
}

// isUnsent reports whether the driver guarantees that it has sent nothing, for example because the connection was
// closed before. Errors of pgx have the method.
func isUnsent(err error) bool {
	var unsent interface{ SafeToRetry() bool }
	return errors.As(err, &unsent) && unsent.SafeToRetry()
}
