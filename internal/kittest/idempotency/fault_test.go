package idempotency_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"sync/atomic"
)

// steps are the requests of the store and the effect to the database, in this order. The tests inject a fault before
// and after each step.
var steps = []string{"begin", "claim", "effect", "record", "commit"}

// openFaulty opens a database through a driver with one fault: it calls inject once, at a point such as "before claim"
// or "after commit".
func openFaulty(d driver.Driver, dsn, point string, inject func() error) *sql.DB {
	f := &fault{point: point, inject: inject}
	return sql.OpenDB(connector{d, dsn, f})
}

type fault struct {
	point    string
	inject   func() error
	injected atomic.Bool
}

func (f *fault) at(point string) error {
	if point == f.point && f.injected.CompareAndSwap(false, true) {
		return f.inject()
	}
	return nil
}

// step calls the driver, with the fault before or after the call.
func step[T any](f *fault, name string, do func() (T, error)) (v T, err error) {
	if err = f.at("before " + name); err != nil {
		return v, err
	}
	if v, err = do(); err != nil {
		return v, err
	}
	if err = f.at("after " + name); err != nil {
		if rows, ok := any(v).(driver.Rows); ok {
			rows.Close()
		}
	}
	return v, err
}

func stepOf(query string) string {
	switch {
	case strings.HasPrefix(query, "INSERT INTO idempotency_keys"):
		return "claim"
	case strings.HasPrefix(query, "INSERT INTO orders"):
		return "effect"
	case strings.HasPrefix(query, "UPDATE idempotency_keys"):
		return "record"
	}
	return "other"
}

type connector struct {
	driver driver.Driver
	dsn    string
	fault  *fault
}

func (c connector) Driver() driver.Driver { return c.driver }

func (c connector) Connect(context.Context) (driver.Conn, error) {
	inner, err := c.driver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	return faultyConn{inner.(conn), c.fault}, nil
}

type conn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

type faultyConn struct {
	conn
	fault *fault
}

func (c faultyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := step(c.fault, "begin", func() (driver.Tx, error) { return c.conn.BeginTx(ctx, o) })
	return faultyTx{tx, c.fault}, err
}

func (c faultyConn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	return step(c.fault, stepOf(q), func() (driver.Result, error) { return c.conn.ExecContext(ctx, q, args) })
}

func (c faultyConn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	return step(c.fault, stepOf(q), func() (driver.Rows, error) { return c.conn.QueryContext(ctx, q, args) })
}

type faultyTx struct {
	driver.Tx
	fault *fault
}

func (tx faultyTx) Commit() error {
	_, err := step(tx.fault, "commit", func() (struct{}, error) { return struct{}{}, tx.Tx.Commit() })
	return err
}
