package idempotency

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Do runs effect once for a key. The first call claims the key, runs effect in the same transaction, records its
// Response and commits. Later calls with the same fingerprint get the recorded Response, and replayed is true.
//
// Everything is rolled back if effect returns an error or panics, or if its Response has a status that is not recorded
// (see [Response]). Do then returns the error, panics, or returns the Response. If the database was too busy for effect,
// or if its connection was lost during effect, the error is also ErrUnavailable.
//
// Other errors: ErrInvalidKey, ErrInvalidCaller, ErrMismatch, ErrInFlight, ErrUnavailable, ErrUncertain,
// ErrUnrecordable, ErrUnrecorded, or the error of ctx. After ErrUncertain or ErrUnrecorded the effect may have
// happened. After any other error it has not.
//
// If two calls have the same key at the same time, one runs. The other one waits for at most Options.Wait, and then
// gets the recorded Response or ErrInFlight.
func (s *Store[T]) Do(
	ctx context.Context, key Key, fp Fingerprint, effect Effect[T],
) (res Response, replayed bool, err error) {
	if err := key.check(); err != nil {
		return Response{}, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	defer func() {
		s.n.count(replayed, err)
		err = withCause(ctx, err)
	}()

	waited := time.NewTimer(max(s.o.Wait, 0))
	defer waited.Stop()
	if err := s.locks.lock(ctx, key, waited.C); err != nil {
		return Response{}, false, err
	}
	defer s.locks.unlock(key)
	return s.retry(ctx, &claim{key, fp}, effect, waited.C)
}

// retry tries the transaction again while another process has the key or the database is busy, until the deadline.
func (s *Store[T]) retry(
	ctx context.Context, c *claim, effect Effect[T], deadline <-chan time.Time,
) (Response, bool, error) {
	const firstPause, longestPause = 4 * time.Millisecond, 64 * time.Millisecond
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		res, replayed, err := s.transact(ctx, c, effect)
		var retryable *retryableError
		if !errors.As(err, &retryable) {
			return res, replayed, err
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-deadline:
			return Response{}, false, retryable.err
		case <-ctx.Done():
			return Response{}, false, ctx.Err()
		}
	}
}

// transact runs one transaction: claim, effect, record, commit. If it returns before the commit, everything is rolled
// back. Without a claim it runs only the effect.
func (s *Store[T]) transact(ctx context.Context, c *claim, effect Effect[T]) (Response, bool, error) {
	own, tx, err := s.begin(ctx)
	if err != nil {
		return Response{}, false, beforeEffect("begin transaction", err)
	}
	committed := false
	defer func() {
		if !committed {
			rollback(ctx, tx)
		}
	}()
	if c != nil {
		if free, err := c.acquire(ctx, tx, &s.sql, &s.o); err != nil {
			return Response{}, false, err
		} else if !free {
			res, err := c.find(ctx, tx, &s.sql)
			return res, err == nil, err
		}
	}
	res, err := runEffect(ctx, own, effect)
	switch {
	case err != nil:
		return Response{}, false, rollbackFailed(ctx, tx, err)
	case !isRecorded(res.Status):
		return res, false, nil
	}
	if c != nil {
		if err := c.record(ctx, tx, &s.sql, &s.o, res); err != nil {
			return Response{}, false, err
		}
	}
	if err := commit(ctx, tx); err != nil {
		return Response{}, false, err
	}
	committed = true
	return res, false, nil
}

// runEffect runs the effect and checks what it returns.
func runEffect[T any](ctx context.Context, tx T, effect Effect[T]) (Response, error) {
	res, err := effect(ctx, tx)
	switch {
	case isBusy(err), isConnectionLost(err) && ctx.Err() == nil:
		return Response{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case err != nil:
		return Response{}, err
	case res.Status < 200 || res.Status > 599:
		return Response{}, fmt.Errorf("%w: status %d", ErrUnrecordable, res.Status)
	}
	return res, nil
}

// rollbackFailed rolls back after the error of an effect. It marks the error as ErrUnavailable if the connection is
// lost. An effect may return an error that does not wrap the one of the driver, but the rollback then fails as well.
func rollbackFailed(ctx context.Context, tx Tx, err error) error {
	if lost := rollback(ctx, tx); isConnectionLost(lost) && ctx.Err() == nil && !errors.Is(err, ErrUnavailable) {
		return fmt.Errorf("%w: %w (rollback: %w)", ErrUnavailable, err, lost)
	}
	return err
}

func commit(ctx context.Context, tx Tx) error {
	if err := ctx.Err(); err != nil {
		return err // the commit was not sent
	}
	err := tx.Commit(ctx)
	switch {
	case err == nil:
		return nil
	case isBusy(err), isUnsent(err): // the database refused, or did not get the commit
		return unavailable("commit", err)
	}
	return fmt.Errorf("commit: %w: %w", ErrUncertain, err)
}

// retryableError says that the key could not be claimed now. The effect has not run.
type retryableError struct{ err error }

func (e *retryableError) Error() string { return e.err.Error() }
func (e *retryableError) Unwrap() error { return e.err }

// beforeEffect marks an error that happened before the effect. If the database was only busy, the transaction is tried
// again.
func beforeEffect(doing string, err error) error {
	if isBusy(err) {
		return &retryableError{unavailable(doing, err)}
	}
	return unavailable(doing, err)
}

// withCause adds the error of an ended context, because a driver often reports only the consequence, such as a closed
// transaction.
func withCause(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w: %w", ctx.Err(), err)
}
