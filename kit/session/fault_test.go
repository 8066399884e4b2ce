package session

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// TestNobodyIsLoggedOutByAStoreThatHangsOrCutsConnections: every answer is either right or a 503.
func TestNobodyIsLoggedOutByAStoreThatHangsOrCutsConnections(t *testing.T) {
	address := redistest.Start(t).Addr()
	admin := redistest.Connect(t, address)
	o := Options{Timeout: 100 * time.Millisecond}
	var nodes []*Sessions
	for range 3 {
		nodes = append(nodes, open(t, redistest.Connect(t, address), o))
	}
	const visitors = 20
	var browsers []*browser
	for i := range visitors {
		b := &browser{t: t}
		b.visit(open(t, admin, patient), func(_ http.ResponseWriter, _ *http.Request, s *Session) {
			check(t, s.Login(ctx, fmt.Sprint("user", i)))
		})
		browsers = append(browsers, b)
	}
	var right, unavailable, wrong, stop atomic.Int64
	var all sync.WaitGroup
	for i, b := range browsers {
		all.Go(func() {
			for n := 0; stop.Load() == 0; n++ {
				var user string
				res := b.visit(nodes[n%3], func(_ http.ResponseWriter, r *http.Request, s *Session) {
					user, _ = s.User(r.Context()) // the error is ignored, as careless handlers do
					views.Set(r.Context(), s, n)
				})
				switch {
				case res.StatusCode == http.StatusServiceUnavailable:
					unavailable.Add(1)
				case res.StatusCode == http.StatusOK && user == fmt.Sprint("user", i):
					right.Add(1)
				default:
					wrong.Add(1)
				}
			}
		})
	}
	await := func(what string, n *atomic.Int64) { // so many more
		t.Helper()
		want := n.Load() + 100
		for deadline := time.Now().Add(time.Minute); n.Load() < want; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("no %s any more", what)
			}
		}
	}
	await("right answers", &right)
	for range 3 {
		deadline := time.Now().Add(time.Minute)
		for before := unavailable.Load(); unavailable.Load() < before+visitors; {
			// A pause holds back the next one too, until the client gives up on its connection.
			if err := admin.Do(ctx, admin.B().ClientPause().Timeout(500).All().Build()).Error(); time.Now().After(deadline) {
				t.Fatalf("no 503s while the store hangs: %v", err)
			}
		}
		await("right answers after it hung", &right)
		cut(t, admin)
		await("right answers after connections were cut", &right)
	}
	stop.Store(1)
	all.Wait()
	if wrong.Load() > 0 {
		t.Errorf("%d answers as to a guest", wrong.Load())
	}
	for i, b := range browsers {
		if user := userOf(t, open(t, admin, patient), b.token()); user != fmt.Sprint("user", i) {
			t.Errorf("visitor %d ended up as %q", i, user)
		}
	}
	t.Logf("store hung and was cut off 3 times: %d right answers, %d answers 503, %d wrong", right.Load(), unavailable.Load(), wrong.Load())
}

// cut closes all connections of the server but the one of admin.
func cut(t *testing.T, admin rueidis.Client) {
	t.Helper()
	kill := admin.B().Arbitrary("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Build().ToRetryable()
	check(t, admin.Do(ctx, kill).Error())
}

// TestCartAddsThatAreRetriedOverCutConnectionsCountOnce: an add whose answer got lost may have counted or not; its id settles it.
func TestCartAddsThatAreRetriedOverCutConnectionsCountOnce(t *testing.T) {
	address := redistest.Start(t).Addr()
	admin := redistest.Connect(t, address)
	var nodes []*Carts
	for range 3 {
		nodes = append(nodes, openCarts(t, address, CartOptions{MaxQuantity: 10_000, MaxOps: 10_000, Timeout: 5 * time.Second}))
	}
	const adds = 3000
	var retries, left atomic.Int64
	left.Store(adds)
	var all sync.WaitGroup
	next := make(chan int)
	for worker := range 30 {
		all.Go(func() {
			for op := range next {
				for {
					_, err := nodes[worker%3].Of("user:ann").Add(ctx, "book", 1, fmt.Sprint("op", op))
					if err == nil {
						break
					}
					if !errors.Is(err, ErrUnavailable) {
						t.Error(err)
						break
					}
					retries.Add(1)
				}
				left.Add(-1)
			}
		})
	}
	cuts := 0
	for op := range adds {
		next <- op
		if op%100 == 50 {
			cut(t, admin)
			cuts++
		}
	}
	close(next)
	all.Wait()
	holds(t, nodes[0].Of("user:ann"), map[string]int{"book": adds})
	t.Logf("%d adds over %d cuts of all connections, %d retried by the caller: exact", adds, cuts, retries.Load())
}
