package ratelimit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// Three gateways on one Redis together admit as many requests as the limit allows, and not more.
func TestThreeGatewaysOnOneRedis(t *testing.T) {
	const rate, burst, seconds = 500, 500, 2
	r := redistest.Start(t)
	var gateways []*Limits
	var limiters []*Limiter
	for range 3 {
		limits := newRunning(t, openStore(t, "redis://"+r.Addr()), &Options{StoreTimeout: longTimeout})
		gateways = append(gateways, limits)
		limiters = append(limiters, limits.Limiter(route(perSecond(rate), burst, "fleet")))
	}
	var all sync.WaitGroup
	var admitted, asked atomic.Int64
	start := time.Now()
	for _, l := range limiters {
		for range 10 {
			all.Go(func() {
				for admitted.Load() < rate*seconds+burst && time.Since(start) < time.Minute {
					asked.Add(1)
					if admits(l, "ip:192.0.2.1") {
						admitted.Add(1)
					} else {
						time.Sleep(time.Millisecond)
					}
				}
			})
		}
	}
	all.Wait()
	took := time.Since(start).Seconds()
	trips := 0.0
	for _, g := range gateways {
		trips += metricValue(t, g.metrics.storeOK)
		if n := metricValue(t, g.metrics.storeFailed); n > 0 {
			t.Errorf("%v round trips failed", n)
		}
	}
	n := float64(admitted.Load())
	allowed := rate*took + burst
	t.Logf("figure: rate-limit-redis gateways=3 goroutines=30 rate=%d/s burst=%d requests=%d admitted=%.0f of_what_could_be=%.1f%% round_trips_per_1000_requests=%.0f per_1000_admitted=%.0f",
		rate, burst, asked.Load(), n, 100*n/allowed, 1000*trips/float64(asked.Load()), 1000*trips/n)
	if n > allowed {
		t.Errorf("%v admitted in %.3f s, at most %.1f are allowed", n, took, allowed)
	}
	if n < rate*seconds+burst {
		t.Errorf("only %v requests admitted in a minute", n)
	}
	if trips > n/2 {
		t.Errorf("%v round trips for %v requests", trips, n)
	}
}

// Small limits are exact, with any distribution over gateways.
func TestSmallLimitsAreExact(t *testing.T) {
	redis := map[string]func(t *testing.T) string{
		"embedded": func(*testing.T) string { return "auto" },
		"redis":    func(t *testing.T) string { return redistest.Start(t).URL() },
	}
	for name, spec := range redis {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, spec(t))
			r := route(config.Rate{Requests: 7, Per: time.Hour}, 7, "fleet")
			a := newRunning(t, s, &Options{StoreTimeout: longTimeout}).Limiter(r)
			b := newRunning(t, s, &Options{StoreTimeout: longTimeout}).Limiter(r)
			var admitted atomic.Int64
			var all sync.WaitGroup
			for _, l := range []*Limiter{a, b, a, b} {
				all.Go(func() {
					for range 20 {
						if admits(l, "ip:192.0.2.1") {
							admitted.Add(1)
						}
					}
				})
			}
			all.Wait()
			if admitted.Load() != 7 {
				t.Errorf("%d of 7 admitted", admitted.Load())
			}
			if !admits(b, "ip:192.0.2.2") {
				t.Error("callers share a limit")
			}
		})
	}
}

// While Redis is down or hangs, the gateway decides every request. When Redis is back, the gateways count together
// again.
func TestRedisFails(t *testing.T) {
	r := redistest.Start(t)
	for _, fault := range []struct {
		name       string
		begin, end func()
	}{
		{"killed", r.Kill, r.Restart},
		{"paused", r.Pause, r.Resume},
	} {
		t.Run(fault.name, func(t *testing.T) {
			limits := newRunning(t, openStore(t, "redis://"+r.Addr()), nil)
			l := limits.Limiter(route(perSecond(1000), 1000, "fleet"))
			decide := func(goroutines, requests int) (longest time.Duration) {
				var all sync.WaitGroup
				var mu sync.Mutex
				for range goroutines {
					all.Go(func() {
						for range requests {
							start := time.Now()
							admits(l, "ip:192.0.2.1")
							took := time.Since(start)
							mu.Lock()
							longest = max(longest, took)
							mu.Unlock()
							time.Sleep(time.Millisecond)
						}
					})
				}
				all.Wait()
				return longest
			}
			decide(5, 20)
			fault.begin()
			during := decide(5, 200) // it must return although the fault lasts
			await(t, "the gateway counts alone", func() bool {
				decide(1, 1)
				return !limits.shared.available()
			})
			fault.end()
			await(t, "the store counts again", limits.shared.available)
			before := metricValue(t, limits.metrics.storeOK)
			await(t, "the store is asked again", func() bool {
				decide(1, 100)
				return metricValue(t, limits.metrics.storeOK) > before
			})
			t.Logf("figure: rate-limit-outage store=%s requests=1000 longest_ms=%.1f", fault.name, float64(during.Microseconds())/1000)
			if during > 20*time.Second {
				t.Errorf("a request waited %v", during)
			}
		})
	}
}

// The script does the same on a real server as in memory, where the other tests control the time.
func TestScriptOnRealAndEmbeddedServer(t *testing.T) {
	server, embedded := redistest.Start(t).Client(redistest.NoRetry), redistest.Connect(t, newMemoryStore(t).Addr(), redistest.NoRetry)
	runOnBoth := func(words ...string) {
		t.Helper()
		for _, c := range []rueidis.Client{server, embedded} {
			if err := c.Do(t.Context(), c.B().Arbitrary(words...).Build()).Error(); err != nil {
				t.Fatal(err)
			}
		}
	}
	runOnBoth("SET", "k", "another type")
	for i, c := range []struct {
		gateway string
		burst   int
		r       tokenRequest
	}{
		{"a", 80, tokenRequest{needed: 1, lease: 100, leaseID: 1}},
		{"b", 80, tokenRequest{needed: 1, lease: 100, leaseID: 1}},
		{"a", 80, tokenRequest{needed: 2, lease: 5, leaseID: 2, returning: 1, spent: 4}},
		{"c", 80, tokenRequest{needed: 100, lease: 3, leaseID: 1}},
		{"b", 80, tokenRequest{needed: 1, returning: 1, spent: 0}},
		{"c", 80, tokenRequest{needed: 100}},
		{"a", 10_000_000, tokenRequest{needed: 10_000_000, lease: 1_250_000, leaseID: 3, returning: 2, spent: 1}},
	} {
		lim := newLimit(config.Rate{Requests: 1, Per: time.Hour}, c.burst)
		if i == 3 {
			runOnBoth("SCRIPT", "FLUSH")
		}
		got, err := storeClient{server, c.gateway}.request(t.Context(), "k", lim, c.r)
		if err != nil {
			t.Fatal(err)
		}
		want, err := storeClient{embedded, c.gateway}.request(t.Context(), "k", lim, c.r)
		if err != nil {
			t.Fatal(err)
		}
		if got.needed != want.needed || got.leased != want.leased || (want.wait-got.wait).Abs() > time.Minute {
			t.Errorf("step %d: %+v on the real server, %+v in memory", i, got, want)
		}
	}
	ttl, err := server.Do(t.Context(), server.B().Pttl().Key("k").Build()).AsInt64()
	if longest := time.Duration(maxDepth) + time.Hour; err != nil || ttl <= 0 || ttl > longest.Milliseconds() {
		t.Errorf("the key expires in %d ms, %v", ttl, err)
	}
}
