package idempotency_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/tenfold-go/tenfold/kit/idempotency"
)

var db *sql.DB // of the service; it has the table of idempotency.Schema(idempotency.Postgres)

func ExampleStore_Required() {
	store, err := idempotency.New(db, idempotency.Postgres, nil)
	if err != nil {
		log.Fatal(err)
	}
	// In a service, return the user that the login middleware has found.
	user := func(r *http.Request) string { return r.Header.Get("X-User") }
	http.Handle("POST /orders", store.Required(user, func(w http.ResponseWriter, r *http.Request, tx *sql.Tx) error {
		var id int64
		err := tx.QueryRowContext(r.Context(), "INSERT INTO orders (item) VALUES ('book') RETURNING id").Scan(&id)
		if err != nil {
			return err // everything is rolled back, the key is free
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "order %d", id)
		return nil
	}))
}

func ExampleStore_Do() {
	store, err := idempotency.New(db, idempotency.Postgres, nil)
	if err != nil {
		log.Fatal(err)
	}
	message := []byte(`{"id": "m-17", "item": "book"}`) // of a queue that may deliver it twice
	key := idempotency.Key{Caller: "queue", Value: "m-17"}
	res, replayed, err := store.Do(context.Background(), key, idempotency.Fingerprint(sha256.Sum256(message)),
		func(ctx context.Context, tx *sql.Tx) (idempotency.Response, error) {
			_, err := tx.ExecContext(ctx, "INSERT INTO orders (item) VALUES ('book')")
			return idempotency.Response{Status: http.StatusOK, Body: []byte("ordered")}, err
		})
	fmt.Println(string(res.Body), replayed, err)
}

func ExampleStore_Sweep() {
	store, err := idempotency.New(db, idempotency.Postgres, nil)
	if err != nil {
		log.Fatal(err)
	}
	n, err := store.Sweep(context.Background(), 500) // or, for the life of the process: go store.Run(ctx)
	fmt.Println(n, err)
}

func ExampleParseKey() {
	for _, header := range []string{`"8e03978e"`, "8e03978e", "two words"} {
		key, err := idempotency.ParseKey(header)
		fmt.Println(key, err, errors.Is(err, idempotency.ErrInvalidKey))
	}
	// Output:
	// 8e03978e <nil> false
	// 8e03978e <nil> false
	//  idempotency key is malformed: character 4 is not visible ASCII true
}
