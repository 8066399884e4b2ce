package idempotency

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// claim is a key that one transaction works on.
type claim struct {
	key Key
	fp  Fingerprint
}

// acquire claims the key and reports whether it was free. It is the first statement of the transaction, and a write:
// SQLite then waits for the write lock. It would refuse a write in a transaction that has read before.
func (c *claim) acquire(ctx context.Context, tx Tx, sqls *statements, o *Options) (free bool, err error) {
	args := []any{c.key.Caller, c.key.Value, c.fp[:], o.ttlSeconds()}
	if sqls.lock {
		args = append(args, c.key.lock())
	}
	var one int
	err = tx.QueryRow(ctx, sqls.claim, args...).Scan(&one)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, beforeEffect("claim idempotency key", err)
	}
	return true, nil
}

// find returns the response that is recorded for a key that was not free. If there is no row, another request with the
// key is in flight.
func (c *claim) find(ctx context.Context, tx Tx, sqls *statements) (Response, error) {
	var res Response
	var fp, header []byte
	err := tx.QueryRow(ctx, sqls.find, c.key.Caller, c.key.Value).Scan(&fp, &res.Status, &header, &res.Body)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Response{}, &retryableError{ErrInFlight}
	case err != nil:
		return Response{}, beforeEffect("find recorded response", err)
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

// record writes the response to the claim. If the claim does not exist, the effect has ended the transaction.
func (c *claim) record(ctx context.Context, tx Tx, sqls *statements, o *Options, res Response) error {
	header, err := res.wireHeader(o.MaxResponse)
	if err != nil {
		return err
	}
	body := res.Body
	if body == nil {
		body = []byte{} // nil would be NULL
	}
	rows, err := tx.Exec(ctx, sqls.record, res.Status, header, body, c.key.Caller, c.key.Value)
	switch {
	case errors.Is(err, sql.ErrTxDone) && ctx.Err() == nil:
		return ErrUnrecorded
	case err != nil:
		return unavailable("record response", err)
	case rows != 1:
		return ErrUnrecorded
	}
	return nil
}
