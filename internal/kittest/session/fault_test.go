package session_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redistest"
	"github.com/tenfold-go/tenfold/kit/session"
)

// TestStoreThatHangsOrCutsConnectionsLogsNoVisitorOut: every response is either correct or a 503.
func TestStoreThatHangsOrCutsConnectionsLogsNoVisitorOut(t *testing.T) {
	address := redistest.Start(t).Addr()
	admin := redistest.Connect(t, address)
	o := session.Options{Timeout: 100 * time.Millisecond}
	var nodes []*session.Sessions
	for range 3 {
		nodes = append(nodes, open(t, redistest.Connect(t, address), o))
	}
	const visitors = 20
	var browsers []*browser
	for i := range visitors {
		b := &browser{t: t}
		b.visit(open(t, admin, longTimeout), func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
			check(t, s.Login(ctx, fmt.Sprint("user", i)))
		})
		browsers = append(browsers, b)
	}
	var correct, unavailable, wrong, stop atomic.Int64
	var all sync.WaitGroup
	for i, b := range browsers {
		all.Go(func() {
			for n := 0; stop.Load() == 0; n++ {
				var user string
				res := b.visit(nodes[n%3], func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
					user, _ = s.User(r.Context()) // a careless handler ignores the error
					views.Set(r.Context(), s, n)
				})
				switch {
				case res.StatusCode == http.StatusServiceUnavailable:
					unavailable.Add(1)
				case res.StatusCode == http.StatusOK && user == fmt.Sprint("user", i):
					correct.Add(1)
				default:
					wrong.Add(1)
				}
			}
		})
	}
	await := func(what string, n *atomic.Int64) { // waits for 100 more
		t.Helper()
		want := n.Load() + 100
		for deadline := time.Now().Add(time.Minute); n.Load() < want; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("no more %s", what)
			}
		}
	}
	await("correct responses", &correct)
	for range 3 {
		deadline := time.Now().Add(time.Minute)
		for before := unavailable.Load(); unavailable.Load() < before+visitors; {
			// A pause also delays the next command, until the client closes its connection.
			if err := admin.Do(ctx, admin.B().ClientPause().Timeout(500).All().Build()).Error(); time.Now().After(deadline) {
				t.Fatalf("no 503s while the store hangs: %v", err)
			}
		}
		await("correct responses after it hung", &correct)
		cut(t, admin)
		await("correct responses after connections were cut", &correct)
	}
	stop.Store(1)
	all.Wait()
	if wrong.Load() > 0 {
		t.Errorf("%d responses as to a guest", wrong.Load())
	}
	for i, b := range browsers {
		if user := userOf(t, open(t, admin, longTimeout), b.token()); user != fmt.Sprint("user", i) {
			t.Errorf("visitor %d is %q at the end", i, user)
		}
	}
	t.Logf("the store hung 3 times, and its connections were cut 3 times: %d correct responses, %d responses 503, %d wrong",
		correct.Load(), unavailable.Load(), wrong.Load())
}

// cut closes all connections of the server except that of admin.
func cut(t *testing.T, admin rueidis.Client) {
	t.Helper()
	kill := admin.B().Arbitrary("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Build().ToRetryable()
	check(t, admin.Do(ctx, kill).Error())
}
