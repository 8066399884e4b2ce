package idempotency

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Do runs effect once for a key. The first call claims the key, runs effect in the same transaction, records its Response
// and commits. Later calls with the same fingerprint get the recorded Response, and replayed is true.
//
// A Response whose status is not [Final] is returned, with everything rolled back. So is an error of effect; if it says
// that the database was too busy, it is ErrUnavailable as well. A panic of effect rolls back and goes on. Other errors:
// ErrKey, ErrCaller, ErrMismatch, ErrInFlight, ErrUnavailable, ErrUncertain, ErrResponse, ErrUnrecorded, or those of ctx.
// After an error nothing has happened; only after ErrUncertain and ErrUnrecorded it may have.
//
// Two calls with one key at once: one runs, the other waits for Options.Wait and then gets the recorded Response, or
// ErrInFlight.
func (s *Store) Do(
	ctx context.Context, key Key, fp Fingerprint, effect Effect,
) (res Response, replayed bool, err error) {
	if err := key.check(); err != nil {
		return Response{}, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	defer func() {
		s.n.count(replayed, err)
		err = because(ctx, err)
	}()

	waited := time.NewTimer(max(s.o.Wait, 0))
	defer waited.Stop()
	if err := s.gate.enter(ctx, key, waited.C); err != nil {
		return Response{}, false, err
	}
	defer s.gate.leave(key)
	return s.whenFree(ctx, key, fp, effect, waited.C)
}

// whenFree tries until no other process has the key, or the database is not busy, or the deadline is over.
func (s *Store) whenFree(
	ctx context.Context, key Key, fp Fingerprint, effect Effect, deadline <-chan time.Time,
) (Response, bool, error) {
	const firstPause, longestPause = 4 * time.Millisecond, 64 * time.Millisecond
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		res, replayed, err := s.transact(ctx, &claim{key, fp}, effect)
		var later *tryLater
		if !errors.As(err, &later) {
			return res, replayed, err
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-deadline:
			return Response{}, false, later.err
		case <-ctx.Done():
			return Response{}, false, ctx.Err()
		}
	}
}

// tryLater says that the key could not be claimed now. The effect has not run.
type tryLater struct{ err error }

func (t *tryLater) Error() string { return t.err.Error() }
func (t *tryLater) Unwrap() error { return t.err }

// because says that a context ended, where the driver only told what came of it, such as a closed transaction.
func because(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w: %w", ctx.Err(), err)
}

// transact is the transaction: claim, effect, record, commit. Whichever way it is left before the commit, all is undone.
// Without a claim only the effect is left of it.
func (s *Store) transact(ctx context.Context, c *claim, effect Effect) (Response, bool, error) {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: s.o.Isolation})
	if err != nil {
		return Response{}, false, notNow("begin transaction", err)
	}
	defer tx.Rollback()
	if c != nil {
		if first, err := c.take(ctx, tx, s); err != nil {
			return Response{}, false, err
		} else if !first {
			res, err := c.find(ctx, tx, s)
			return res, err == nil, err
		}
	}

	res, err := effect(ctx, tx)
	if busy(err) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err != nil {
		return Response{}, false, err
	}
	if !Final(res.Status) {
		return refused(res)
	}
	if c != nil {
		if err := c.record(ctx, tx, s, res); err != nil {
			return Response{}, false, err
		}
	}
	if err := commit(ctx, tx); err != nil {
		return Response{}, false, err
	}
	return res, false, nil
}

// refused returns an answer that is not recorded. One with a status that no answer can have is a mistake of the effect.
func refused(res Response) (Response, bool, error) {
	if res.Status < 200 || res.Status > 599 {
		return Response{}, false, fmt.Errorf("%w: its status is %d", ErrResponse, res.Status)
	}
	return res, false, nil
}

func commit(ctx context.Context, tx *sql.Tx) error {
	if err := ctx.Err(); err != nil {
		return err // certain: nothing was sent
	}
	err := tx.Commit()
	switch {
	case err == nil:
		return nil
	case busy(err): // the database said no
		return unavailable("commit", err)
	}
	return fmt.Errorf("commit: %w: %w", ErrUncertain, err)
}

// notNow makes an error of the time before the effect one that is tried again, if the database was just busy.
func notNow(doing string, err error) error {
	if busy(err) {
		return &tryLater{unavailable(doing, err)}
	}
	return unavailable(doing, err)
}
