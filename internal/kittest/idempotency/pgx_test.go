package idempotency_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tenfold-go/tenfold/kit/idempotency"
)

// pgxTx makes an idempotency.Tx of a pgx.Tx.
type pgxTx struct{ pgx.Tx }

func (t pgxTx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := t.Tx.Exec(ctx, query, args...)
	if errors.Is(err, pgx.ErrTxClosed) {
		err = sql.ErrTxDone
	}
	return tag.RowsAffected(), err
}

func (t pgxTx) QueryRow(ctx context.Context, query string, args ...any) idempotency.Row {
	return t.Tx.QueryRow(ctx, query, args...) // pgx.ErrNoRows is sql.ErrNoRows
}

// beginPgx returns the Begin function of a pool.
func beginPgx(pool *pgxpool.Pool) idempotency.Begin[pgx.Tx] {
	return func(ctx context.Context) (pgx.Tx, idempotency.Tx, error) {
		tx, err := pool.Begin(ctx)
		return tx, pgxTx{tx}, err
	}
}

// pgxStore returns a Store over a pgx pool, and a database/sql pool of the same database for the checks.
func pgxStore(t *testing.T, o *idempotency.Options) (*idempotency.Store[pgx.Tx], *sql.DB) {
	t.Helper()
	p := newPostgres(t)
	pool, err := pgxpool.New(t.Context(), p.dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s, err := idempotency.NewWith(beginPgx(pool), idempotency.Postgres, o)
	if err != nil {
		t.Fatal(err)
	}
	return s, p.open(t)
}

// buyPgx is the effect buy on a pgx.Tx.
func buyPgx(ctx context.Context, tx pgx.Tx) (idempotency.Response, error) {
	var id int64
	if err := tx.QueryRow(ctx, "INSERT INTO orders (item) VALUES ('book') RETURNING id").Scan(&id); err != nil {
		return idempotency.Response{}, err
	}
	return idempotency.Response{Status: http.StatusCreated, Body: fmt.Appendf(nil, `{"order":%d}`, id)}, nil
}

func TestPgxParallelDuplicatesHaveOneEffect(t *testing.T) {
	s, db := pgxStore(t, &idempotency.Options{Wait: patience})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if res, _, err := s.Do(t.Context(), adas, oneBook, buyPgx); err != nil || string(res.Body) != `{"order":1}` {
				t.Errorf("response %s, %v", res.Body, err)
			}
		})
	}
	wg.Wait()
	wantCount(t, db, "orders", 1)
	if n := s.Stats(); n.Done != 1 || n.Replayed != 49 {
		t.Errorf("%+v", n)
	}
}

func TestPgxHandlerReplaysAndSweepDeletes(t *testing.T) {
	s, db := pgxStore(t, nil)
	h := s.Required(caller, func(w http.ResponseWriter, r *http.Request, tx pgx.Tx) error {
		res, err := buyPgx(r.Context(), tx)
		w.WriteHeader(res.Status)
		w.Write(res.Body)
		return err
	})
	var last *httptest.ResponseRecorder
	for range 2 {
		last = post(h, "k", "{}")
		wantStatus(t, last, http.StatusCreated)
	}
	if last.Body.String() != `{"order":1}` || last.Header().Get("Idempotency-Replayed") != "true" {
		t.Errorf("%v %s", last.Header(), last.Body)
	}
	wantCount(t, db, "orders", 1)
	expireAll(t, db)
	if n, err := s.Sweep(t.Context(), 10); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	wantCount(t, db, "idempotency_keys", 0)
}

func TestPgxEffectThatFailsIsRolledBack(t *testing.T) {
	s, db := pgxStore(t, nil)
	for name, effect := range map[string]idempotency.Effect[pgx.Tx]{
		"error": func(ctx context.Context, tx pgx.Tx) (idempotency.Response, error) {
			res, _ := buyPgx(ctx, tx)
			return res, errBroken
		},
		"bad SQL": func(ctx context.Context, tx pgx.Tx) (idempotency.Response, error) {
			buyPgx(ctx, tx)
			_, err := tx.Exec(ctx, "INSERT INTO nowhere VALUES (1)")
			return idempotency.Response{}, errors.Join(errBroken, err)
		},
	} {
		if _, _, err := s.Do(t.Context(), adas, oneBook, effect); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", name, err)
		}
		wantCount(t, db, "orders", 0)
		wantCount(t, db, "idempotency_keys", 0)
	}
	if _, replayed, err := s.Do(t.Context(), adas, oneBook, buyPgx); err != nil || replayed {
		t.Errorf("the key is not free: replayed %t, %v", replayed, err)
	}
}

func TestPgxEffectThatCommits(t *testing.T) {
	s, db := pgxStore(t, nil)
	_, _, err := s.Do(t.Context(), adas, oneBook, func(ctx context.Context, tx pgx.Tx) (idempotency.Response, error) {
		res, err := buyPgx(ctx, tx)
		return res, errors.Join(err, tx.Commit(ctx))
	})
	for range 2 {
		if !errors.Is(err, idempotency.ErrUnrecorded) {
			t.Errorf("got %v", err)
		}
		_, _, err = s.Do(t.Context(), adas, oneBook, buyPgx)
	}
	wantCount(t, db, "orders", 1)
}
