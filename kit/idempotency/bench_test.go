package idempotency_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/kit/idempotency"
)

// BenchmarkOrder is what a key costs: an order in a bare transaction, the same under a key with one more row, as an HTTP
// handler, and as a repetition.
func BenchmarkOrder(b *testing.B) {
	for name, open := range map[string]func(testing.TB) place{
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
					wantStatus(b, post(h, "again", "{}"), 201)
				}
			})
		})
	}
}

// unsafeSQLite shows the cost without the disk's, which hides it.
func unsafeSQLite(b testing.TB) place {
	p := newSQLite(b)
	p.dsn = strings.Replace(p.dsn, "synchronous(full)", "synchronous(off)", 1)
	return p
}
