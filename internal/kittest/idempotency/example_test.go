package idempotency_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite"

	"github.com/tenfold-go/tenfold/kit/idempotency"
)

// openShop opens a database with the tables of the examples. A service has a separate database and separate migrations.
func openShop() (db *sql.DB, remove func()) {
	dir, err := os.MkdirTemp("", "shop")
	if err != nil {
		log.Fatal(err)
	}
	db, err = sql.Open("sqlite", "file:"+filepath.Join(dir, "shop.db")+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)")
	if err != nil {
		log.Fatal(err)
	}
	_, err = db.Exec(idempotency.Schema(idempotency.SQLite) + "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)")
	if err != nil {
		log.Fatal(err)
	}
	return db, func() {
		db.Close()
		os.RemoveAll(dir)
	}
}

func Example_required() {
	db, remove := openShop()
	defer remove()
	store, err := idempotency.New(db, idempotency.SQLite, nil)
	if err != nil {
		log.Fatal(err)
	}
	user := func(r *http.Request) string { return r.Header.Get("X-User") } // use the user that your login middleware knows
	http.Handle("POST /orders", store.Required(user, func(w http.ResponseWriter, r *http.Request, tx *sql.Tx) error {
		res, err := tx.ExecContext(r.Context(), "INSERT INTO orders (item) VALUES ('book')")
		if err != nil {
			return err
		}
		id, err := res.LastInsertId()
		if err != nil {
			return err
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "order %d", id)
		return nil
	}))

	order := func(key, body string) {
		r := httptest.NewRequest("POST", "/orders", strings.NewReader(body))
		r.Header.Set("X-User", "ada")
		if key != "" {
			r.Header.Set("Idempotency-Key", key)
		}
		w := httptest.NewRecorder()
		http.DefaultServeMux.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("Idempotency-Replayed"), strings.TrimSpace(w.Body.String()))
	}
	order("8e03978e", "one book")
	order("8e03978e", "one book")
	order("8e03978e", "two books")
	order("", "one book")
	// Output:
	// 201  order 1
	// 201 true order 1
	// 422  {"title":"Unprocessable Entity","status":422,"detail":"idempotency key was used for another request"}
	// 400  {"title":"Bad Request","status":400,"detail":"request has no idempotency key"}
}

func Example_do() {
	db, remove := openShop()
	defer remove()
	store, err := idempotency.New(db, idempotency.SQLite, nil)
	if err != nil {
		log.Fatal(err)
	}
	message := []byte(`{"id": "m-17", "item": "book"}`) // of a queue that may deliver it twice
	for range 2 {
		key := idempotency.Key{Caller: "queue", Value: "m-17"}
		res, replayed, err := store.Do(context.Background(), key, idempotency.Fingerprint(sha256.Sum256(message)),
			func(ctx context.Context, tx *sql.Tx) (idempotency.Response, error) {
				_, err := tx.ExecContext(ctx, "INSERT INTO orders (item) VALUES ('book')")
				return idempotency.Response{Status: http.StatusOK, Body: []byte("ordered")}, err
			})
		fmt.Println(string(res.Body), replayed, err)
	}
	// Output:
	// ordered false <nil>
	// ordered true <nil>
}

func Example_sweep() {
	db, remove := openShop()
	defer remove()
	store, err := idempotency.New(db, idempotency.SQLite, nil)
	if err != nil {
		log.Fatal(err)
	}
	n, err := store.Sweep(context.Background(), 500) // or, for the life of the process: go store.Run(ctx)
	fmt.Println(n, err)
	// Output: 0 <nil>
}
