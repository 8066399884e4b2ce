package idempotency_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/kit/idempotency"
)

// BenchmarkOrder measures the cost of a key: an order in a bare transaction, the same order with a key, the same as an
// HTTP request, and a repetition.
func BenchmarkOrder(b *testing.B) {
	for name, open := range map[string]func(testing.TB) testDatabase{
		"sqlite": newSQLite, "sqlite without fsync": unsafeSQLite, "postgres without fsync": newPostgres,
	} {
		b.Run(name, func(b *testing.B) {
			s, db := open(b).store(b, nil)
			b.Run("bare", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					tx, err := db.BeginTx(b.Context(), nil)
					if err == nil {
						_, err = buy(b.Context(), tx)
					}
					if err == nil {
						err = tx.Commit()
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			})
			n := 0
			key := func() idempotency.Key {
				n++
				return idempotency.Key{Caller: "ada", Value: fmt.Sprintf("%s-%d", b.Name(), n)}
			}
			b.Run("key", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, _, err := s.Do(b.Context(), key(), oneBook, buy); err != nil {
						b.Fatal(err)
					}
				}
			})
			h := s.Required(caller, shop)
			b.Run("http", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					wantStatus(b, post(h, key().Value, "{}"), 201)
				}
			})
			b.Run("replay", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					wantStatus(b, post(h, "repeated", "{}"), 201)
				}
			})
		})
	}
}

// unsafeSQLite does not wait for the disk, whose time would hide the cost of the key.
func unsafeSQLite(b testing.TB) testDatabase {
	p := newSQLite(b)
	p.dsn = strings.Replace(p.dsn, "synchronous(full)", "synchronous(off)", 1)
	return p
}
