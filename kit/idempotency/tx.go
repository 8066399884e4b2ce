package idempotency

import (
	"context"
	"database/sql"
	"time"
)

// Begin starts a transaction and returns it twice: as the type that effects use, and as a Tx for the Store.
type Begin[T any] func(ctx context.Context) (T, Tx, error)

// Tx is what a Store needs of a transaction. Its queries are those of the Store's Dialect: "?" marks an argument for
// SQLite, "$1" for Postgres.
//
// An error of a busy database is recognized by a method SQLState() string, as pgx and lib/pq have it, or Code() int, as
// modernc.org/sqlite has it. A lost connection is recognized by the SQLSTATE, by the errors of database/sql and net, or
// by a method SafeToRetry() bool, as pgx has it. Errors may be wrapped.
type Tx interface {
	// Exec runs a statement and returns the number of changed rows. After Commit or Rollback it returns sql.ErrTxDone.
	Exec(ctx context.Context, query string, args ...any) (rows int64, err error)
	// QueryRow runs a query that returns at most one row.
	QueryRow(ctx context.Context, query string, args ...any) Row
	Commit(ctx context.Context) error
	// Rollback ends the transaction. After Commit or Rollback it does nothing. Its error only tells whether the
	// connection is lost.
	Rollback(ctx context.Context) error
}

// Row is the result of a query.
type Row interface {
	// Scan copies the columns to dest. Without a row it returns an error that is sql.ErrNoRows.
	Scan(dest ...any) error
}

// rollbackTimeout limits a rollback. It is independent of the request, which may have ended.
const rollbackTimeout = 5 * time.Second

func rollback(ctx context.Context, tx Tx) error {
	if t, ok := tx.(sqlTx); ok {
		return t.tx.Rollback() // needs no context, so it saves the cost of one
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	return tx.Rollback(ctx)
}

// sqlTx is a transaction of database/sql.
type sqlTx struct{ tx *sql.Tx }

func beginSQL(db *sql.DB, level sql.IsolationLevel) Begin[*sql.Tx] {
	return func(ctx context.Context) (*sql.Tx, Tx, error) {
		tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: level})
		return tx, sqlTx{tx}, err
	}
}

func (t sqlTx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := t.tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (t sqlTx) QueryRow(ctx context.Context, query string, args ...any) Row {
	return t.tx.QueryRowContext(ctx, query, args...)
}

func (t sqlTx) Commit(context.Context) error   { return t.tx.Commit() }
func (t sqlTx) Rollback(context.Context) error { return t.tx.Rollback() }
