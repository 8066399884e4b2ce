package idempotency_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/tenfold-go/tenfold/kit/idempotency"
)

func TestMain(m *testing.M) {
	if os.Getenv("IDEMPOTENCY_NODE") != "" {
		runNode() // see node_test.go
		return
	}
	code := m.Run()
	stopPostgres()
	os.Exit(code)
}

// testDatabase is a new database with the tables idempotency_keys and orders. Any number of nodes may open it.
type testDatabase struct {
	dialect idempotency.Dialect
	driver  string
	dsn     string
}

// each runs a test on every kind of database.
func each(t *testing.T, test func(t *testing.T, p testDatabase)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newSQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, newPostgres(t)) })
}

func newSQLite(t testing.TB) testDatabase {
	t.Helper()
	file := filepath.Join(t.TempDir(), "test.db")
	p := testDatabase{idempotency.SQLite, "sqlite", "file:" + file +
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)"}
	p.create(t, "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL)")
	return p
}

// databases numbers the databases on the PostgreSQL server.
var databases struct {
	sync.Mutex
	n int
}

// newPostgres skips the test where no server can be started.
func newPostgres(t testing.TB) testDatabase {
	t.Helper()
	server := postgres(t)
	databases.Lock()
	databases.n++
	name := fmt.Sprintf("test%d", databases.n)
	databases.Unlock()
	admin := testDatabase{idempotency.Postgres, "pgx", server + " dbname=postgres"}.open(t)
	if _, err := admin.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	p := testDatabase{idempotency.Postgres, "pgx", server + " dbname=" + name}
	p.create(t, "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item text NOT NULL)")
	return p
}

func (p testDatabase) create(t testing.TB, orders string) {
	t.Helper()
	db := p.open(t)
	for _, statement := range []string{idempotency.Schema(p.dialect), idempotency.Schema(p.dialect), orders} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
}

// open returns a new connection pool, as another node would have.
func (p testDatabase) open(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open(p.driver, p.dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// store returns a new Store and its connection pool.
func (p testDatabase) store(t testing.TB, o *idempotency.Options) (*idempotency.Store[*sql.Tx], *sql.DB) {
	t.Helper()
	db := p.open(t)
	s, err := idempotency.New(db, p.dialect, o)
	if err != nil {
		t.Fatal(err)
	}
	return s, db
}

// buy is the effect of all tests: it writes an order and responds with its number.
func buy(ctx context.Context, tx *sql.Tx) (idempotency.Response, error) {
	var id int64
	if err := tx.QueryRowContext(ctx, "INSERT INTO orders (item) VALUES ('book') RETURNING id").Scan(&id); err != nil {
		return idempotency.Response{}, err
	}
	return idempotency.Response{
		Status: http.StatusCreated,
		Header: http.Header{"Location": {fmt.Sprintf("/orders/%d", id)}, "Content-Type": {"application/json"}},
		Body:   fmt.Appendf(nil, `{"order":%d}`, id),
	}, nil
}

// shop is a Handler that responds to POST /orders with buy.
func shop(w http.ResponseWriter, r *http.Request, tx *sql.Tx) error {
	res, err := buy(r.Context(), tx)
	if err != nil {
		return err
	}
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(res.Status)
	_, err = w.Write(res.Body)
	return err
}

func caller(r *http.Request) string { return r.Header.Get("X-User") }

// post sends a request with a key to a handler.
func post(h http.Handler, key, body string) *httptest.ResponseRecorder {
	return postAs(h, "ada", key, body)
}

func postAs(h http.Handler, user, key, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/orders", strings.NewReader(body))
	r.Header.Set("X-User", user)
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func count(t testing.TB, db *sql.DB, table string) (n int) {
	t.Helper()
	if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func wantCount(t testing.TB, db *sql.DB, table string, want int) {
	t.Helper()
	if n := count(t, db, table); n != want {
		t.Fatalf("%s has %d rows, want %d", table, n, want)
	}
}

func wantStatus(t testing.TB, w *httptest.ResponseRecorder, want int) {
	t.Helper()
	if w.Code != want {
		t.Fatalf("status %d, want %d: %s", w.Code, want, w.Body)
	}
}

const patience = 30 * time.Second // far longer than any step takes

func readAll(t testing.TB, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
