package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestNoNodeFailsAtOnce(t *testing.T) {
	p := startPool(t, "", nil, "127.0.0.1:1")
	start := time.Now()
	for range 100 {
		if _, _, err := send(t.Context(), p, "GET", ""); !errors.Is(err, ErrNoNode) {
			t.Fatalf("%v, want %v", err, ErrNoNode)
		}
	}
	t.Logf("figure: no-node refusals=100 took=%v", time.Since(start))
}

func TestQueueIsFirstComeFirstServed(t *testing.T) {
	address, arrived, release := serveGated(t)
	p := newPool(t, "limit: {in_flight: 1, queue: 3, wait: 10s}", address)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			if _, body, err := send(t.Context(), p, "GET", "", "N", fmt.Sprint(i)); body != "done" || err != nil {
				t.Errorf("request %d: %q %v", i, body, err)
			}
		})
		await(t, "the request is on the node or in the queue", func() bool {
			return p.inFlight.Load()+p.queue.waiting.Load() == int64(i+1)
		})
	}
	if _, _, err := send(t.Context(), p, "GET", ""); !errors.Is(err, ErrQueueFull) {
		t.Errorf("a fifth request: %v, want %v", err, ErrQueueFull)
	}
	for i := range 4 {
		if got := <-arrived; got != fmt.Sprint(i) {
			t.Errorf("request %s arrived as number %d", got, i)
		}
		release <- struct{}{}
	}
	wg.Wait()
	await(t, "all slots are released", func() bool { return p.inFlight.Load() == 0 && p.members["shop-1"].held() == 0 })
}

func TestWaitEndsWithItsTimeoutAndWithTheClient(t *testing.T) {
	address, arrived, release := serveGated(t)
	p := newPool(t, "limit: {in_flight: 1, queue: 3, wait: 50ms}", address)
	var wg sync.WaitGroup
	wg.Go(func() { send(context.Background(), p, "GET", "") })
	<-arrived
	if _, _, err := send(t.Context(), p, "GET", ""); !errors.Is(err, ErrQueueTimeout) {
		t.Errorf("%v, want %v", err, ErrQueueTimeout)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("client gone")
	cancel(gone)
	if _, _, err := send(ctx, p, "GET", ""); !errors.Is(err, gone) {
		t.Errorf("%v, want %v", err, gone)
	}
	if n := p.queue.waiting.Load(); n != 0 {
		t.Errorf("%d still in the queue", n)
	}
	release <- struct{}{}
	wg.Wait()
}

// A hundred clients use three nodes with two slots each. No node ever gets more than two requests, and every request
// succeeds.
func TestLimitHoldsUnderLoad(t *testing.T) {
	var most atomic.Int64
	limited := func() string {
		var now atomic.Int64
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(100 * time.Microsecond) // the work
			now.Add(-1)
		})
	}
	for _, balance := range []string{"p2c", "round-robin", "least-conn", "weighted", "hash(header:N)"} {
		most.Store(0)
		p := newPool(t, "limit: {in_flight: 2, queue: 200, wait: 30s}\nbalance: "+balance, limited(), limited(), limited())
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				for range 5 {
					if status, _, err := send(t.Context(), p, "GET", "", "N", fmt.Sprint(i)); status != 200 || err != nil {
						t.Errorf("%s: %d %v", balance, status, err)
					}
				}
			})
		}
		wg.Wait()
		if most.Load() > 2 {
			t.Errorf("%s: %d requests on one node, the limit is 2", balance, most.Load())
		}
		if n := p.inFlight.Load(); n != 0 {
			t.Errorf("%s: %d slots were never released", balance, n)
		}
	}
}
