package idempotency

import (
	"context"
	"fmt"
	"time"
)

// Sweep deletes at most limit expired keys, the oldest first, in one short transaction, and returns how many. Several
// processes may sweep at once. An expired key that is not swept yet is as free as one that is.
func (s *Store) Sweep(ctx context.Context, limit int) (int, error) {
	if limit < 1 {
		return 0, fmt.Errorf("sweep idempotency keys: limit %d is less than 1", limit)
	}
	done, err := s.db.ExecContext(ctx, s.sql.sweep, limit)
	if err != nil {
		return 0, unavailable("sweep idempotency keys", err)
	}
	n, err := done.RowsAffected()
	if err != nil {
		return 0, unavailable("sweep idempotency keys", err)
	}
	return int(n), nil
}

// sweepBatch keeps a transaction of Run in the milliseconds: on SQLite all other writers wait for it.
const sweepBatch = 500

// Run sweeps every Options.SweepEvery until ctx ends, and then returns nil. A sweep that fails is logged and tried again at
// the next time. One process of a fleet is enough; more do no harm.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(s.o.SweepEvery)
	defer tick.Stop()
	for {
		if err := s.sweepAll(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Error("idempotency keys not swept", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *Store) sweepAll(ctx context.Context) error {
	for {
		n, err := s.Sweep(ctx, sweepBatch)
		if err != nil || n < sweepBatch {
			return err
		}
	}
}
