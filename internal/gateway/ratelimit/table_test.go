package ratelimit

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenfold-go/tenfold/internal/config"
)

// route is a route with a limit.
func route(rate config.Rate, burst int, scope config.Scope) *config.Route {
	return &config.Route{Path: "/", RateLimit: &config.RateLimit{Rate: rate, Burst: burst, Caller: config.Caller{By: "ip"}, Scope: scope}}
}

// clock is a time that a test owns.
type clock struct{ atomic.Int64 }

func (c *clock) sleep(d time.Duration) { c.Add(int64(d)) }

// local is a limiter of one gateway alone, under a test's clock.
func local(rate config.Rate, burst int) (*Limiter, *clock) {
	c := &clock{}
	limits := New(nil, nil)
	limits.now = c.Load
	return limits.Limiter(route(rate, burst, "fleet")), c
}

func admits(l *Limiter, caller string) bool {
	ok, _ := l.Admit(caller)
	return ok
}

// counted is the value of a counter or a gauge.
func counted(t testing.TB, c prometheus.Collector) float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	m := families[0].Metric[0]
	return m.Counter.GetValue() + m.Gauge.GetValue()
}

func TestCallersAndRoutesDoNotShare(t *testing.T) {
	limits := New(nil, nil)
	hourly := config.Rate{Requests: 1, Per: time.Hour}
	for range 2 { // two routes with the same limit
		l := limits.Limiter(route(hourly, 2, "gateway"))
		for _, caller := range []string{"ip:192.0.2.1", "ip:192.0.2.2"} {
			for i, want := range []bool{true, true, false, false} {
				ok, wait := l.Admit(caller)
				if ok != want || ok == (wait > 0) || wait > time.Hour {
					t.Errorf("%s, request %d: %v, wait %v", caller, i, ok, wait)
				}
			}
		}
	}
}

// However many requests come at once, as many are admitted as there are tokens.
func TestConcurrentRequestsAreCountedExactly(t *testing.T) {
	l, _ := local(config.Rate{Requests: 1, Per: time.Hour}, 1000)
	var ok atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 500 {
				if admits(l, "ip:192.0.2.1") {
					ok.Add(1)
				}
				admits(l, "ip:192.0.2.2")
			}
		})
	}
	all.Wait()
	if ok.Load() != 1000 {
		t.Errorf("%d of 1000 admitted", ok.Load())
	}
}

// A table does not grow beyond its bound. Those that are full again go first, which nobody notices; then those that have used
// least, so that a flood of new names does not help one that is at its limit.
func TestTableForgetsWhoLosesLeast(t *testing.T) {
	limits := New(nil, nil)
	c := &clock{}
	limits.now = c.Load
	l := limits.Limiter(route(perSecond(1), 5, "gateway"))
	l.table.most = 8
	size := func() (n int) {
		for i := range l.table.shards {
			s := &l.table.shards[i]
			if len(s.index) != len(s.accounts) {
				t.Fatalf("shard %d: %d in the index, %d accounts", i, len(s.index), len(s.accounts))
			}
			n += len(s.accounts)
		}
		return n
	}
	forgotten := func() float64 { return counted(t, limits.metrics.forgotten) }

	for range 6 {
		admits(l, "exhausted")
	}
	for i := range 10 * 8 * shards {
		if !admits(l, fmt.Sprint("flood ", i)) {
			t.Fatal("a new caller is refused")
		}
	}
	if n := size(); n != 8*shards {
		t.Errorf("%d accounts, want %d", n, 8*shards)
	}
	if forgotten() == 0 {
		t.Error("nobody counted those that were forgotten")
	}
	if admits(l, "exhausted") {
		t.Error("a flood of names gave a caller its burst again")
	}

	c.sleep(time.Hour) // all are full again
	before := forgotten()
	for range 3 {
		admits(l, "early")
	}
	s, _ := l.table.shard("early")
	for i, n := 0, 0; n < 7; i++ {
		if other, _ := l.table.shard(fmt.Sprint("late ", i)); other == s {
			admits(l, fmt.Sprint("late ", i))
			n++
		}
	}
	if forgotten() != before {
		t.Error("somebody was forgotten who was not full, beside those that were")
	}
	if admits(l, "early"); !admits(l, "early") || admits(l, "early") {
		t.Error("a caller lost its account, or has too much")
	}
}
