package idempotency

import (
	"context"
	"errors"
	"fmt"
)

// Errors that callers may want to tell apart with errors.Is.
var (
	// ErrNoKey: the request has no Idempotency-Key, and the route requires one.
	ErrNoKey = errors.New("request has no idempotency key")
	// ErrKey: the key is malformed, see [ParseKey].
	ErrKey = errors.New("idempotency key is malformed")
	// ErrCaller: the caller is empty, longer than 255 bytes, or holds control characters or broken UTF-8.
	ErrCaller = errors.New("caller is unknown or malformed")
	// ErrMismatch: the caller used the key before, for another request. Nothing has happened.
	ErrMismatch = errors.New("idempotency key was used for another request")
	// ErrInFlight: another request under the key is being worked on. Nothing has happened: try again with the same key.
	ErrInFlight = errors.New("a request under this idempotency key is in flight")
	// ErrUnavailable: the database did not answer, or was too busy. Nothing has happened: try again with the same key.
	ErrUnavailable = errors.New("idempotency store is unavailable")
	// ErrUncertain: the commit failed half-way, so the effect has happened or not. Try again with the same key to learn
	// which: either way it happens once.
	ErrUncertain = errors.New("outcome of the commit is unknown")
	// ErrResponse: the answer cannot be recorded: it is larger than Options.MaxResponse, has a status outside 200 to 599
	// or a control character in its header. Everything was rolled back.
	ErrResponse = errors.New("answer cannot be recorded")
	// ErrUnrecorded: an effect ended the transaction that it was lent, and its answer is lost. If it committed, this is
	// what everyone gets under the key until the TTL is over: better than a second effect.
	ErrUnrecorded = errors.New("effect ended its transaction, its answer is lost")
)

// unavailable marks what the database answered to our own statements as a fault of the database, unless the caller gave up.
func unavailable(doing string, err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
}

// busy reports that the database refused because of what others were doing at the same time. It asks for behaviour, so
// that no driver has to be imported: pgx and lib/pq tell an SQLSTATE, modernc.org/sqlite a result code. Another driver's
// busy error is an error like any other.
func busy(err error) bool {
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
