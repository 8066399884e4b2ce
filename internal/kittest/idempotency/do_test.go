package idempotency_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/idempotency"
)

var (
	adas    = idempotency.Key{Caller: "ada", Value: "order-1"}
	oneBook = idempotency.Fingerprint(sha256.Sum256([]byte("one book")))
)

func TestParallelDuplicatesHaveOneEffectAndOneResponse(t *testing.T) {
	for _, level := range []sql.IsolationLevel{sql.LevelDefault, sql.LevelSerializable} {
		t.Run(level.String(), func(t *testing.T) {
			each(t, func(t *testing.T, p testDatabase) {
				const perNode = 50
				o := &idempotency.Options{Wait: patience, Isolation: level}
				one, db := p.store(t, o)
				two, _ := p.store(t, o)
				responses := make(chan string, 2*perNode)
				var fresh atomic.Int32
				var wg sync.WaitGroup
				for range perNode {
					for _, s := range []*idempotency.Store[*sql.Tx]{one, two} {
						wg.Go(func() {
							res, replayed, err := s.Do(t.Context(), adas, oneBook, buy)
							if err != nil {
								t.Error(err)
							}
							if !replayed {
								fresh.Add(1)
							}
							responses <- res.Header.Get("Location") + string(res.Body)
						})
					}
				}
				wg.Wait()
				close(responses)
				for got := range responses {
					if got != `/orders/1{"order":1}` {
						t.Fatalf("a call got %q", got)
					}
				}
				if fresh.Load() != 1 {
					t.Errorf("%d responses are not marked as replayed", fresh.Load())
				}
				wantCount(t, db, "orders", 1)
				a, b := one.Stats(), two.Stats()
				if a.Done+b.Done != 1 || a.Replayed+b.Replayed != 2*perNode-1 {
					t.Errorf("stats %+v and %+v", a, b)
				}
			})
		})
	}
}

// hold starts a call that claims the key and then waits for release.
func hold(t *testing.T, s *idempotency.Store[*sql.Tx], key idempotency.Key) (release func()) {
	t.Helper()
	claimed, resume, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		_, _, err := s.Do(t.Context(), key, oneBook, func(ctx context.Context, tx *sql.Tx) (idempotency.Response, error) {
			close(claimed)
			<-resume
			return buy(ctx, tx)
		})
		done <- err
	}()
	<-claimed
	return sync.OnceFunc(func() {
		close(resume)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestDuplicateInFlight(t *testing.T) {
	each(t, func(t *testing.T, p testDatabase) {
		first, db := p.store(t, &idempotency.Options{Wait: -1})
		release := hold(t, first, adas)
		defer release()
		if _, _, err := first.Do(t.Context(), adas, oneBook, buy); !errors.Is(err, idempotency.ErrInFlight) {
			t.Errorf("on the same node: %v", err)
		}
		want := idempotency.ErrInFlight
		if p.dialect == idempotency.SQLite { // another node sees only that the file is locked
			want = idempotency.ErrUnavailable
			p.dsn = strings.Replace(p.dsn, "busy_timeout(5000)", "busy_timeout(0)", 1)
		}
		impatient, _ := p.store(t, &idempotency.Options{Wait: -1})
		if _, _, err := impatient.Do(t.Context(), adas, oneBook, buy); !errors.Is(err, want) {
			t.Errorf("on another node: %v", err)
		}

		patient, _ := p.store(t, &idempotency.Options{Wait: patience})
		got := make(chan error, 1)
		go func() {
			res, replayed, err := patient.Do(t.Context(), adas, oneBook, buy)
			if err == nil && (!replayed || res.Status != http.StatusCreated) {
				err = errors.New("not replayed")
			}
			got <- err
		}()
		release()
		if err := <-got; err != nil {
			t.Errorf("the call that waits: %v", err)
		}
		wantCount(t, db, "orders", 1)
	})
}

// TestOtherKeysDoNotWait runs on PostgreSQL only: on SQLite, all writers wait for the one that writes.
func TestOtherKeysDoNotWait(t *testing.T) {
	p := newPostgres(t)
	s, db := p.store(t, nil)
	release := hold(t, s, adas)
	defer release()
	for _, key := range []idempotency.Key{{Caller: "ada", Value: "order-2"}, {Caller: "bob", Value: "order-1"}} {
		if _, replayed, err := s.Do(t.Context(), key, oneBook, buy); err != nil || replayed {
			t.Errorf("%v: replayed %t, %v", key, replayed, err)
		}
	}
	wantCount(t, db, "orders", 2)
}

func TestAnotherRequestWithTheKeyIsRefused(t *testing.T) {
	each(t, func(t *testing.T, p testDatabase) {
		s, db := p.store(t, nil)
		if _, _, err := s.Do(t.Context(), adas, oneBook, buy); err != nil {
			t.Fatal(err)
		}
		other := idempotency.Fingerprint(sha256.Sum256([]byte("two books")))
		if _, _, err := s.Do(t.Context(), adas, other, buy); !errors.Is(err, idempotency.ErrMismatch) {
			t.Errorf("got %v", err)
		}
		wantCount(t, db, "orders", 1)
	})
}

func TestCallersShareNoKeys(t *testing.T) {
	each(t, func(t *testing.T, p testDatabase) {
		s, db := p.store(t, nil)
		for _, who := range []string{"ada", "bob", "Ada", "ada ", "ädä"} {
			_, replayed, err := s.Do(t.Context(), idempotency.Key{Caller: who, Value: "order-1"}, oneBook, buy)
			if err != nil || replayed {
				t.Errorf("%q: replayed %t, %v", who, replayed, err)
			}
		}
		wantCount(t, db, "orders", 5)
	})
}

var errBroken = errors.New("broken")

func TestUnrecordedResponseIsRolledBackAndFreesTheKey(t *testing.T) {
	withStatus := func(status int) idempotency.Effect[*sql.Tx] {
		return func(ctx context.Context, tx *sql.Tx) (idempotency.Response, error) {
			res, err := buy(ctx, tx)
			res.Status = status
			return res, err
		}
	}
	each(t, func(t *testing.T, p testDatabase) {
		s, db := p.store(t, &idempotency.Options{MaxResponse: 1000})
		for name, c := range map[string]struct {
			effect idempotency.Effect[*sql.Tx]
			err    error
		}{
			"error": {func(ctx context.Context, tx *sql.Tx) (idempotency.Response, error) {
				res, _ := buy(ctx, tx)
				return res, errBroken
			}, errBroken},
			"bad SQL": {func(ctx context.Context, tx *sql.Tx) (idempotency.Response, error) {
				buy(ctx, tx)
				_, err := tx.ExecContext(ctx, "INSERT INTO nowhere VALUES (1)")
				return idempotency.Response{}, errors.Join(errBroken, err)
			}, errBroken},
			"too large": {func(ctx context.Context, tx *sql.Tx) (idempotency.Response, error) {
				res, err := buy(ctx, tx)
				res.Body = make([]byte, 1001)
				return res, err
			}, idempotency.ErrUnrecordable},
			"header with a line feed": {func(ctx context.Context, tx *sql.Tx) (idempotency.Response, error) {
				res, err := buy(ctx, tx)
				res.Header.Set("X-Bad", "a\nSet-Cookie: b")
				return res, err
			}, idempotency.ErrUnrecordable},
			"status 0":   {withStatus(0), idempotency.ErrUnrecordable},
			"status 101": {withStatus(101), idempotency.ErrUnrecordable},
			"status 600": {withStatus(600), idempotency.ErrUnrecordable},
			"status 401": {withStatus(401), nil},
			"status 409": {withStatus(409), nil},
			"status 429": {withStatus(429), nil},
			"status 500": {withStatus(500), nil},
			"status 503": {withStatus(503), nil},
		} {
			res, replayed, err := s.Do(t.Context(), adas, oneBook, c.effect)
			if !errors.Is(err, c.err) || replayed {
				t.Errorf("%s: replayed %t, %v", name, replayed, err)
			}
			if c.err == nil && string(res.Body) == "" {
				t.Errorf("%s: the response is lost", name)
			}
			wantCount(t, db, "orders", 0)
			wantCount(t, db, "idempotency_keys", 0)
		}
		if _, replayed, err := s.Do(t.Context(), adas, oneBook, withStatus(404)); err != nil || replayed {
			t.Errorf("the key is not free: replayed %t, %v", replayed, err)
		}
		if res, replayed, err := s.Do(t.Context(), adas, oneBook, buy); err != nil || !replayed || res.Status != 404 {
			t.Errorf("a 404 is not recorded: %d, replayed %t, %v", res.Status, replayed, err)
		}
	})
}

func TestPanicRollsBackAndFreesTheKey(t *testing.T) {
	each(t, func(t *testing.T, p testDatabase) {
		s, db := p.store(t, nil)
		func() {
			defer func() {
				if recover() != errBroken {
					t.Error("Do does not panic")
				}
			}()
			s.Do(t.Context(), adas, oneBook, func(ctx context.Context, tx *sql.Tx) (idempotency.Response, error) {
				buy(ctx, tx)
				panic(errBroken)
			})
		}()
		wantCount(t, db, "orders", 0)
		if _, replayed, err := s.Do(t.Context(), adas, oneBook, buy); err != nil || replayed {
			t.Errorf("replayed %t, %v", replayed, err)
		}
	})
}

func TestEffectThatTakesTooLongIsRolledBack(t *testing.T) {
	each(t, func(t *testing.T, p testDatabase) {
		s, db := p.store(t, &idempotency.Options{Timeout: 50 * time.Millisecond})
		_, _, err := s.Do(t.Context(), adas, oneBook, func(ctx context.Context, tx *sql.Tx) (idempotency.Response, error) {
			<-ctx.Done()
			return buy(context.WithoutCancel(ctx), tx) // the effect ignores the deadline
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		wantCount(t, db, "orders", 0)
		wantCount(t, db, "idempotency_keys", 0)
	})
}

// TestEffectThatCommits: an effect must not end the transaction. If it does, its response is lost, but it does not
// happen twice.
func TestEffectThatCommits(t *testing.T) {
	each(t, func(t *testing.T, p testDatabase) {
		s, db := p.store(t, nil)
		_, _, err := s.Do(t.Context(), adas, oneBook, func(ctx context.Context, tx *sql.Tx) (idempotency.Response, error) {
			res, err := buy(ctx, tx)
			return res, errors.Join(err, tx.Commit())
		})
		if !errors.Is(err, idempotency.ErrUnrecorded) {
			t.Errorf("got %v", err)
		}
		if _, _, err = s.Do(t.Context(), adas, oneBook, buy); !errors.Is(err, idempotency.ErrUnrecorded) {
			t.Errorf("a retry got %v", err)
		}
		wantCount(t, db, "orders", 1)
	})
}

func TestDatabaseWithoutTheTableIsUnavailable(t *testing.T) {
	each(t, func(t *testing.T, p testDatabase) {
		s, db := p.store(t, nil)
		if _, err := db.Exec("DROP TABLE idempotency_keys"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Do(t.Context(), adas, oneBook, buy); !errors.Is(err, idempotency.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		wantCount(t, db, "orders", 0)
	})
}

func expireAll(t *testing.T, db *sql.DB) {
	t.Helper()
	if _, err := db.Exec("UPDATE idempotency_keys SET expires = 1"); err != nil {
		t.Fatal(err)
	}
}

func TestExpiredKeyIsFreeForAnyRequest(t *testing.T) {
	each(t, func(t *testing.T, p testDatabase) {
		s, db := p.store(t, &idempotency.Options{Wait: patience})
		for range 2 {
			if _, _, err := s.Do(t.Context(), adas, oneBook, buy); err != nil {
				t.Fatal(err)
			}
		}
		expireAll(t, db)
		other := idempotency.Fingerprint(sha256.Sum256([]byte("two books")))
		if _, replayed, err := s.Do(t.Context(), adas, other, buy); err != nil || replayed {
			t.Errorf("replayed %t, %v", replayed, err)
		}
		res, replayed, err := s.Do(t.Context(), adas, other, buy)
		if err != nil || !replayed || string(res.Body) != `{"order":2}` {
			t.Errorf("replayed %t, %s, %v", replayed, res.Body, err)
		}
		wantCount(t, db, "idempotency_keys", 1)
	})
}

func TestSweepDeletesAtMostLimitExpiredKeys(t *testing.T) {
	each(t, func(t *testing.T, p testDatabase) {
		s, db := p.store(t, nil)
		for i := range 7 {
			key := idempotency.Key{Caller: "ada", Value: strings.Repeat("k", i+1)}
			if _, _, err := s.Do(t.Context(), key, oneBook, buy); err != nil {
				t.Fatal(err)
			}
			if i == 4 {
				expireAll(t, db)
			}
		}
		for _, want := range []int{3, 2, 0} {
			if n, err := s.Sweep(t.Context(), 3); err != nil || n != want {
				t.Errorf("swept %d, %v, want %d", n, err, want)
			}
		}
		wantCount(t, db, "idempotency_keys", 2)
		if _, err := s.Sweep(t.Context(), 0); err == nil {
			t.Error("a limit of 0 is accepted")
		}
	})
}

func TestRunSweepsUntilItsContextEnds(t *testing.T) {
	p := newSQLite(t)
	s, db := p.store(t, &idempotency.Options{SweepEvery: time.Millisecond})
	if _, _, err := s.Do(t.Context(), adas, oneBook, buy); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	expireAll(t, db)
	for deadline := time.Now().Add(patience); count(t, db, "idempotency_keys") > 0; {
		if time.Now().After(deadline) {
			t.Fatal("no key was deleted")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestNewRefusesInvalidArguments(t *testing.T) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for want, open := range map[string]func() (*idempotency.Store[*sql.Tx], error){
		"no database":       func() (*idempotency.Store[*sql.Tx], error) { return idempotency.New(nil, idempotency.SQLite, nil) },
		"unknown dialect 9": func() (*idempotency.Store[*sql.Tx], error) { return idempotency.New(db, 9, nil) },
		"negative TTL -1s": func() (*idempotency.Store[*sql.Tx], error) {
			return idempotency.New(db, idempotency.SQLite, &idempotency.Options{TTL: -time.Second})
		},
	} {
		if _, err := open(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
