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

// route returns a route with a limit.
func route(rate config.Rate, burst int, scope config.Scope) *config.Route {
	return &config.Route{Path: "/", RateLimit: &config.RateLimit{Rate: rate, Burst: burst, Caller: config.Caller{By: "ip"}, Scope: scope}}
}

// clock is a time that a test controls.
type clock struct{ atomic.Int64 }

func (c *clock) sleep(d time.Duration) { c.Add(int64(d)) }

// local returns a limiter of a gateway that counts alone, and its clock.
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

// metricValue returns the value of a counter or a gauge.
func metricValue(t testing.TB, c prometheus.Collector) float64 {
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

func TestCallersAndRoutesCountSeparately(t *testing.T) {
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

// The limit is exact for concurrent requests.
func TestLimitIsExactForConcurrentRequests(t *testing.T) {
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

// The table is bounded. It first evicts callers that have their full burst, and then those that have used least. So a
// flood of new names does not help a caller at its limit.
func TestTableEvictsLeastUsed(t *testing.T) {
	limits := New(nil, nil)
	c := &clock{}
	limits.now = c.Load
	l := limits.Limiter(route(perSecond(1), 5, "gateway"))
	l.table.maxPerShard = 8
	size := func() (n int) {
		for i := range l.table.shards {
			s := &l.table.shards[i]
			if len(s.index) != len(s.buckets) {
				t.Fatalf("shard %d: %d in the index, %d buckets", i, len(s.index), len(s.buckets))
			}
			n += len(s.buckets)
		}
		return n
	}
	evicted := func() float64 { return metricValue(t, limits.metrics.evicted) }

	for range 6 {
		admits(l, "exhausted")
	}
	for i := range 10 * 8 * shards {
		if !admits(l, fmt.Sprint("flood ", i)) {
			t.Fatal("a new caller is refused")
		}
	}
	if n := size(); n != 8*shards {
		t.Errorf("%d buckets, want %d", n, 8*shards)
	}
	if evicted() == 0 {
		t.Error("the evictions were not counted")
	}
	if admits(l, "exhausted") {
		t.Error("a flood of names gave a caller its burst again")
	}

	c.sleep(time.Hour) // all callers have their full burst again
	before := evicted()
	for range 3 {
		admits(l, "old")
	}
	s, _ := l.table.shard("old")
	for i, n := 0, 0; n < 7; i++ {
		if other, _ := l.table.shard(fmt.Sprint("new ", i)); other == s {
			admits(l, fmt.Sprint("new ", i))
			n++
		}
	}
	if evicted() != before {
		t.Error("evicted a caller without its full burst before those with it")
	}
	if admits(l, "old"); !admits(l, "old") || admits(l, "old") {
		t.Error("a caller lost its bucket, or has too many tokens")
	}
}

// Two gateways in one process can share metrics on one registry, as during a reload.
func TestLimitsShareMetrics(t *testing.T) {
	m := NewMetrics(prometheus.NewRegistry())
	for range 2 {
		l := New(nil, &Options{Metrics: m}).Limiter(route(config.Rate{Requests: 1, Per: time.Hour}, 1, "gateway"))
		if !admits(l, "caller") || admits(l, "caller") {
			t.Error("want the first request admitted and the second one refused")
		}
	}
	if admitted, refused := metricValue(t, m.admitted), metricValue(t, m.refused); admitted != 2 || refused != 2 {
		t.Errorf("counted %v admitted and %v refused, want 2 and 2", admitted, refused)
	}
}
