package idempotency

import (
	"context"
	"errors"
	"fmt"
)

// Errors that a caller can tell apart with errors.Is.
var (
	// ErrNoKey: the request has no Idempotency-Key, and the route requires one.
	ErrNoKey = errors.New("request has no idempotency key")
	// ErrInvalidKey: the key is malformed, see [ParseKey].
	ErrInvalidKey = errors.New("idempotency key is malformed")
	// ErrInvalidCaller: the caller is empty, longer than 255 bytes, or contains control characters or invalid UTF-8.
	ErrInvalidCaller = errors.New("caller is unknown or malformed")
	// ErrMismatch: the caller used the key before, for another request. Nothing has happened.
	ErrMismatch = errors.New("idempotency key was used for another request")
	// ErrInFlight: another request with the key is being processed. Nothing has happened. Retry with the same key.
	ErrInFlight = errors.New("a request with this idempotency key is in flight")
	// ErrUnavailable: the database did not respond, was too busy, or lost its connection before the commit. Nothing has
	// happened. Retry with the same key.
	ErrUnavailable = errors.New("idempotency store is unavailable")
	// ErrUncertain: the commit failed, and it is unknown whether the database received it. Retry with the same key: the
	// effect happens once in either case.
	ErrUncertain = errors.New("outcome of the commit is unknown")
	// ErrUnrecordable: the response cannot be recorded. It is larger than Options.MaxResponse, its status is not in 200
	// to 599, or its header contains a control character. Everything was rolled back.
	ErrUnrecordable = errors.New("response cannot be recorded")
	// ErrUnrecorded: the effect ended the transaction itself, so its response is lost. If the effect committed, every
	// request with the key gets this error until the TTL is over: the effect must not happen twice.
	ErrUnrecorded = errors.New("effect ended its transaction, its response is lost")
)

// unavailable marks an error of the Store's own statements as a fault of the database, unless the caller cancelled.
func unavailable(doing string, err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
}

// isBusy reports whether the database refused a statement because of other transactions. It looks for methods, so that
// the package imports no driver: pgx and lib/pq have an SQLSTATE, modernc.org/sqlite has a result code. A busy error of
// another driver is treated like any other error.
func isBusy(err error) bool {
	var postgres interface{ SQLState() string }
	if errors.As(err, &postgres) {
		switch postgres.SQLState() {
		case "40001", "40P01", "55P03": // serialization failure, deadlock, lock timeout
			return true
		}
	}
	const primaryCode, sqliteBusy, sqliteLocked = 0xff, 5, 6
	var sqlite interface{ Code() int }
	if errors.As(err, &sqlite) {
		switch sqlite.Code() & primaryCode {
		case sqliteBusy, sqliteLocked:
			return true
		}
	}
	return false
}
