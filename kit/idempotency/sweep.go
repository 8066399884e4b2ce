package idempotency

import (
	"context"
	"fmt"
	"time"
)

// Run deletes expired keys every Options.SweepEvery until ctx ends, and then returns nil. If a sweep fails, Run logs
// the error and tries again after the interval. One process of a fleet is enough; several do no harm.
func (s *Store[T]) Run(ctx context.Context) error {
	tick := time.NewTicker(s.o.SweepEvery)
	defer tick.Stop()
	for {
		if err := s.sweepAll(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Error("expired idempotency keys not deleted", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// sweepBatch keeps a transaction of Run at a few milliseconds: on SQLite, all other writers wait for it.
const sweepBatch = 500

func (s *Store[T]) sweepAll(ctx context.Context) error {
	for {
		n, err := s.Sweep(ctx, sweepBatch)
		if err != nil || n < sweepBatch {
			return err
		}
	}
}

// Sweep deletes at most limit expired keys, the oldest first, in one short transaction, and returns their number.
// Several processes may sweep at the same time. An expired key is free whether it is deleted or not.
func (s *Store[T]) Sweep(ctx context.Context, limit int) (int, error) {
	if limit < 1 {
		return 0, fmt.Errorf("sweep idempotency keys: limit %d is less than 1", limit)
	}
	n, err := s.sweep(ctx, limit)
	if err != nil {
		return 0, unavailable("sweep idempotency keys", err)
	}
	return n, nil
}

func (s *Store[T]) sweep(ctx context.Context, limit int) (int, error) {
	_, tx, err := s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer rollback(ctx, tx)
	n, err := tx.Exec(ctx, s.sql.sweep, limit)
	if err != nil {
		return 0, err
	}
	return int(n), tx.Commit(ctx)
}
