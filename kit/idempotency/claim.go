package idempotency

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// claim is a key in the hands of one transaction.
type claim struct {
	key Key
	fp  Fingerprint
}

// take claims the key and reports whether it was free. It is the transaction's first statement, and a write: SQLite then
// waits for the write lock, where it would refuse a transaction that has read before.
func (c *claim) take(ctx context.Context, tx *sql.Tx, s *Store) (free bool, err error) {
	args := []any{c.key.Caller, c.key.Value, c.fp[:], s.o.ttlSeconds()}
	if s.sql.lock {
		args = append(args, c.key.lock())
	}
	var one int
	err = tx.QueryRowContext(ctx, s.sql.claim, args...).Scan(&one)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, notNow("claim idempotency key", err)
	}
	return true, nil
}

// find returns the answer recorded under a key that was not free. No row means that whoever has the key is still at work.
func (c *claim) find(ctx context.Context, tx *sql.Tx, s *Store) (Response, error) {
	var res Response
	var fp, header []byte
	err := tx.QueryRowContext(ctx, s.sql.find, c.key.Caller, c.key.Value).Scan(&fp, &res.Status, &header, &res.Body)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Response{}, &tryLater{ErrInFlight}
	case err != nil:
		return Response{}, notNow("find recorded answer", err)
	case string(fp) != string(c.fp[:]):
		return Response{}, ErrMismatch
	case res.Status == 0:
		return Response{}, ErrUnrecorded
	}
	if res.Header, err = parseWireHeader(header); err != nil {
		return Response{}, fmt.Errorf("read recorded header: %w", err)
	}
	return res, nil
}

// record writes the answer to the claim. If the claim is not there, the effect has ended the transaction.
func (c *claim) record(ctx context.Context, tx *sql.Tx, s *Store, res Response) error {
	header, err := res.wireHeader(s.o.MaxResponse)
	if err != nil {
		return err
	}
	body := res.Body
	if body == nil {
		body = []byte{} // nil would be NULL
	}
	done, err := tx.ExecContext(ctx, s.sql.record, res.Status, header, body, c.key.Caller, c.key.Value)
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() == nil {
		return ErrUnrecorded
	}
	if err != nil {
		return unavailable("record answer", err)
	}
	if n, err := done.RowsAffected(); err != nil {
		return unavailable("record answer", err)
	} else if n != 1 {
		return ErrUnrecorded
	}
	return nil
}
