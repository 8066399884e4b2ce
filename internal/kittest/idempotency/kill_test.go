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

// TestKilledAtEveryStep kills a node with SIGKILL before and after each step of a request. The client retries at
// another node. In each case there is one order, and every later retry gets the response of the first retry.
func TestKilledAtEveryStep(t *testing.T) {
	each(t, func(t *testing.T, p testDatabase) {
		other := p.startNode(t, "")
		db := p.open(t)
		orders := 0
		for _, name := range steps {
			for _, die := range []string{"before " + name, "after " + name} {
				t.Run(die, func(t *testing.T) {
					key := "key-" + die[:3] + name
					dying := p.startNode(t, die)
					if status, _, response, err := dying.post(key); err == nil {
						t.Fatalf("the node was not killed and responded %d %s", status, response)
					}
					if dying.cmd.Wait(); dying.cmd.ProcessState.Exited() {
						t.Fatalf("the node was not killed: %v", dying.cmd.ProcessState)
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

// TestConnectionLostAtEveryStep breaks the connection to the database before and after each step. The error says
// whether the outcome is unknown. After a retry there is one order in each case.
func TestConnectionLostAtEveryStep(t *testing.T) {
	each(t, func(t *testing.T, p testDatabase) {
		for i, name := range steps {
			for _, point := range []string{"before " + name, "after " + name} {
				t.Run(point, func(t *testing.T) {
					lost := openFaulty(p.open(t).Driver(), p.dsn, point, func() error { return driver.ErrBadConn })
					defer lost.Close()
					s, err := idempotency.New(lost, p.dialect, &idempotency.Options{Wait: patience})
					if err != nil {
						t.Fatal(err)
					}
					key := idempotency.Key{Caller: "ada", Value: "key-" + point[:3] + name}
					_, _, err = s.Do(t.Context(), key, oneBook, buy)
					want := map[string]error{
						"begin": nil, // database/sql tries another connection
						"claim": idempotency.ErrUnavailable, "effect": idempotency.ErrUnavailable,
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

// TestTwoNodesOneOfThemKilledRepeatedly runs two processes on one database. Clients send every order to both at the
// same time and repeat it until they get a response. One of the processes is killed five times.
func TestTwoNodesOneOfThemKilledRepeatedly(t *testing.T) {
	each(t, func(t *testing.T, p testDatabase) {
		const clients, perClient, kills = 4, 10, 5
		var mu sync.Mutex
		nodes := [2]*node{p.startNode(t, ""), p.startNode(t, "")}
		at := func(i int) *node {
			mu.Lock()
			defer mu.Unlock()
			return nodes[i]
		}
		responded := make(chan struct{}, clients*perClient)
		var wg sync.WaitGroup
		for c := range clients {
			wg.Go(func() {
				for i := range perClient {
					buyTwice(t, fmt.Sprintf("key-%d-%d", c, i), at)
					responded <- struct{}{}
				}
			})
		}
		for range kills {
			for range clients * perClient / kills / 2 {
				<-responded
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

// buyTwice sends one order to both nodes at the same time and repeats each request until it gets a response.
func buyTwice(t *testing.T, key string, at func(int) *node) {
	var responses [2]string
	var wg sync.WaitGroup
	for i := range responses {
		wg.Go(func() {
			for range 1000 {
				status, _, response, err := at(i).post(key)
				if err == nil && status == http.StatusCreated {
					responses[i] = response
					return
				}
				if err == nil && status != http.StatusServiceUnavailable && status != http.StatusConflict {
					t.Errorf("status %d %s", status, response)
					return
				}
			}
			t.Errorf("no response for key %s", key)
		})
	}
	wg.Wait()
	if responses[0] != responses[1] {
		t.Errorf("key %s: one node responds %q, the other %q", key, responses[0], responses[1])
	}
}
