package idempotency_test

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/tenfold-go/tenfold/kit/idempotency"
)

// A node is killed with SIGKILL before and after each step of a request. Whatever the step, the client's retry, at another
// node, leaves one order and gets the answer that every later retry gets too.
func TestKilledAtEveryStep(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		other := p.startNode(t, "")
		db := p.open(t)
		orders := 0
		for _, name := range steps {
			for _, die := range []string{"before " + name, "after " + name} {
				t.Run(die, func(t *testing.T) {
					key := "key-" + die[:3] + name
					mortal := p.startNode(t, die)
					if status, _, answer, err := mortal.post(key); err == nil {
						t.Fatalf("the node lived to answer %d %s", status, answer)
					}
					if mortal.cmd.Wait(); mortal.cmd.ProcessState.Exited() {
						t.Fatalf("the node was not killed: %v", mortal.cmd.ProcessState)
					}
					committed := die == "after commit"
					if committed {
						orders++
					}
					wantCount(t, db, "orders", orders)
					wantCount(t, db, "idempotency_keys", orders)

					status, replayed, first, err := other.post(key)
					if err != nil || status != http.StatusCreated || replayed != committed {
						t.Fatalf("retry: %d, replayed %t, %v", status, replayed, err)
					}
					if !committed {
						orders++
					}
					_, replayed, second, err := other.post(key)
					if err != nil || !replayed || second != first {
						t.Fatalf("retry got %q, the next one %q, replayed %t, %v", first, second, replayed, err)
					}
					wantCount(t, db, "orders", orders)
				})
			}
		}
	})
}

// The connection to the database is lost before and after each step. The caller learns whether nothing has happened or
// nobody knows, and a retry leaves one order either way.
func TestConnectionLostAtEveryStep(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		for i, name := range steps {
			for _, point := range []string{"before " + name, "after " + name} {
				t.Run(point, func(t *testing.T) {
					lost := faulty(p.open(t).Driver(), p.dsn, point, func() error { return driver.ErrBadConn })
					defer lost.Close()
					s, err := idempotency.New(lost, p.dialect, &idempotency.Options{Wait: patience})
					if err != nil {
						t.Fatal(err)
					}
					key := idempotency.Key{Caller: "ada", Value: "key-" + point[:3] + name}
					_, _, err = s.Do(t.Context(), key, oneBook, buy)
					want := map[string]error{
						"begin": nil, // database/sql tries another connection by itself
						"claim": idempotency.ErrUnavailable, "effect": driver.ErrBadConn,
						"record": idempotency.ErrUnavailable, "commit": idempotency.ErrUncertain,
					}[name]
					if !errors.Is(err, want) {
						t.Errorf("got %v, want %v", err, want)
					}
					_, replayed, err := s.Do(t.Context(), key, oneBook, buy)
					if done := name == "begin" || point == "after commit"; err != nil || replayed != done {
						t.Errorf("retry: replayed %t, %v", replayed, err)
					}
				})
			}
			wantCount(t, p.open(t), "orders", 2*(i+1))
		}
	})
}

// Two processes work on one database. Every order is sent to both at once, and one of them is killed again and again while
// it works; clients repeat what got no answer.
func TestTwoNodesOneOfThemKilledAgainAndAgain(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		const clients, perClient, kills = 4, 10, 5
		var mu sync.Mutex
		nodes := [2]*node{p.startNode(t, ""), p.startNode(t, "")}
		at := func(i int) *node {
			mu.Lock()
			defer mu.Unlock()
			return nodes[i]
		}
		answered := make(chan struct{}, clients*perClient)
		var wg sync.WaitGroup
		for c := range clients {
			wg.Go(func() {
				for i := range perClient {
					buyTwice(t, fmt.Sprintf("key-%d-%d", c, i), at)
					answered <- struct{}{}
				}
			})
		}
		for range kills {
			for range clients * perClient / kills / 2 {
				<-answered
			}
			at(1).kill()
			fresh := p.startNode(t, "")
			mu.Lock()
			nodes[1] = fresh
			mu.Unlock()
		}
		wg.Wait()
		db := p.open(t)
		wantCount(t, db, "orders", clients*perClient)
		wantCount(t, db, "idempotency_keys", clients*perClient)
	})
}

// buyTwice sends one order to both nodes at once and repeats each until it is answered.
func buyTwice(t *testing.T, key string, at func(int) *node) {
	var answers [2]string
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			for range 1000 {
				status, _, answer, err := at(i).post(key)
				if err == nil && status == http.StatusCreated {
					answers[i] = answer
					return
				}
				if err == nil && status != http.StatusServiceUnavailable && status != http.StatusConflict {
					t.Errorf("status %d %s", status, answer)
					return
				}
			}
			t.Errorf("no answer under %s", key)
		})
	}
	wg.Wait()
	if answers[0] != answers[1] {
		t.Errorf("under %s one got %q, the other %q", key, answers[0], answers[1])
	}
}
