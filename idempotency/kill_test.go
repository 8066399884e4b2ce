package idempotency_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
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
					if status, _, answer, err := p.startNode(t, die).post(key); err == nil {
						t.Fatalf("the node lived to answer %d %s", status, answer)
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
