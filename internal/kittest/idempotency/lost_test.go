package idempotency_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tenfold-go/tenfold/kit/idempotency"
)

// A connection that is lost during the effect gives 503 with Retry-After. The retry places the order.
func TestConnectionLostDuringTheEffectIs503(t *testing.T) {
	p := newSQLite(t)
	reset := &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
	for i, lost := range []error{driver.ErrBadConn, sql.ErrConnDone, reset, fmt.Errorf("insert order: %w", reset)} {
		db := openFaulty(p.open(t).Driver(), p.dsn, "after effect", func() error { return lost })
		defer db.Close()
		s, err := idempotency.New(db, p.dialect, nil)
		if err != nil {
			t.Fatal(err)
		}
		h := s.Required(caller, shop)
		key := fmt.Sprint("k", i)
		w := post(h, key, "{}")
		wantProblem(t, lost.Error(), w, http.StatusServiceUnavailable)
		wantStatus(t, post(h, key, "{}"), http.StatusCreated)
		wantCount(t, p.open(t), "orders", i+1)
	}
}

// TestTerminatedBackend ends the backend of the effect's transaction on a real PostgreSQL server. The effect may hide
// the error of the driver, may ignore it, or may fail before it uses the connection again.
func TestTerminatedBackend(t *testing.T) {
	p := newPostgres(t)
	db := p.open(t)
	terminate := func(ctx context.Context, t *testing.T, pid int) {
		var ended bool
		if err := db.QueryRowContext(ctx, "SELECT pg_terminate_backend($1, 5000)", pid).Scan(&ended); err != nil || !ended {
			t.Errorf("terminate backend: %t, %v", ended, err)
		}
	}
	for name, respond := range map[string]func(err error) (idempotency.Response, error){
		"the driver's error": func(err error) (idempotency.Response, error) { return idempotency.Response{}, err },
		"a wrapped error": func(err error) (idempotency.Response, error) {
			return idempotency.Response{}, fmt.Errorf("buy: %w", err)
		},
		"an error without it":    func(err error) (idempotency.Response, error) { return idempotency.Response{}, errBroken },
		"success in spite of it": func(err error) (idempotency.Response, error) { return idempotency.Response{Status: 201}, nil },
	} {
		t.Run("database/sql, "+name, func(t *testing.T) {
			s, db := p.store(t, nil)
			key := idempotency.Key{Caller: "ada", Value: "sql"}
			_, _, err := s.Do(t.Context(), key, oneBook, func(ctx context.Context, tx *sql.Tx) (idempotency.Response, error) {
				var pid int
				if err := tx.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
					t.Error(err)
				}
				terminate(ctx, t, pid)
				_, err := buy(ctx, tx)
				return respond(err)
			})
			wantLost(t, db, err)
		})
		t.Run("pgx, "+name, func(t *testing.T) {
			s, db := pgxStore(t, nil)
			_, _, err := s.Do(t.Context(), adas, oneBook, func(ctx context.Context, tx pgx.Tx) (idempotency.Response, error) {
				var pid int
				if err := tx.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
					t.Error(err)
				}
				terminate(ctx, t, pid)
				_, err := buyPgx(ctx, tx)
				return respond(err)
			})
			wantLost(t, db, err)
		})
	}
	t.Run("before the effect uses the connection again", func(t *testing.T) {
		s, db := p.store(t, nil)
		_, _, err := s.Do(t.Context(), adas, oneBook, func(ctx context.Context, tx *sql.Tx) (idempotency.Response, error) {
			var pid int
			if err := tx.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
				t.Error(err)
			}
			terminate(ctx, t, pid)
			return idempotency.Response{}, errBroken
		})
		wantLost(t, db, err)
	})
}

// wantLost checks the error of a call whose connection was lost before the commit. Nothing has happened.
func wantLost(t *testing.T, db *sql.DB, err error) {
	t.Helper()
	if !errors.Is(err, idempotency.ErrUnavailable) || errors.Is(err, idempotency.ErrUncertain) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	wantCount(t, db, "orders", 0)
	wantCount(t, db, "idempotency_keys", 0)
}
