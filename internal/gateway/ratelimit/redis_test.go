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

// Three gateways on one Redis admit together what one limit allows: never more, and in the end all of it.
func TestThreeGatewaysOnOneRedis(t *testing.T) {
	const rate, burst, seconds = 500, 500, 2
	r := redistest.Start(t)
	var gateways []*Limits
	var limiters []*Limiter
	for range 3 {
		limits := running(t, open(t, "redis://"+r.Addr()), &Options{Patience: patient})
		gateways = append(gateways, limits)
		limiters = append(limiters, limits.Limiter(route(perSecond(rate), burst, "fleet")))
	}
	var all sync.WaitGroup
	var admitted, asked atomic.Int64
	begun := time.Now()
	for _, l := range limiters {
		for range 10 {
			all.Go(func() {
				for admitted.Load() < rate*seconds+burst && time.Since(begun) < time.Minute {
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
	took := time.Since(begun).Seconds()
	trips := 0.0
	for _, g := range gateways {
		trips += counted(t, g.metrics.asked)
		if n := counted(t, g.metrics.failed); n > 0 {
			t.Errorf("%v round trips failed", n)
		}
	}
	n := float64(admitted.Load())
	could := rate*took + burst
	t.Logf("figure: rate-limit-redis gateways=3 goroutines=30 rate=%d/s burst=%d requests=%d admitted=%.0f of_what_could_be=%.1f%% round_trips_per_1000_requests=%.0f per_1000_admitted=%.0f",
		rate, burst, asked.Load(), n, 100*n/could, 1000*trips/float64(asked.Load()), 1000*trips/n)
	if n > could {
		t.Errorf("%v admitted in %.3f s, at most %.1f may be", n, took, could)
	}
	if n < rate*seconds+burst {
		t.Errorf("only %v admitted in a minute", n)
	}
	if trips > n/2 {
		t.Errorf("%v round trips for %v requests", trips, n)
	}
}

// A small limit is exact, whichever gateway is asked.
func TestSmallLimitsAreExact(t *testing.T) {
	redis := map[string]func(t *testing.T) string{
		"embedded": func(*testing.T) string { return "auto" },
		"redis":    func(t *testing.T) string { return redistest.Start(t).URL() },
	}
	for name, spec := range redis {
		t.Run(name, func(t *testing.T) {
			s := open(t, spec(t))
			r := route(config.Rate{Requests: 7, Per: time.Hour}, 7, "fleet")
			a := running(t, s, &Options{Patience: patient}).Limiter(r)
			b := running(t, s, &Options{Patience: patient}).Limiter(r)
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

// A Redis that dies or hangs keeps nobody waiting: every request is decided, and when it is back, it counts again.
func TestRedisDiesAndHangs(t *testing.T) {
	r := redistest.Start(t)
	for _, fault := range []struct {
		name        string
		begin, mend func()
	}{
		{"killed", r.Kill, r.Restart},
		{"paused", r.Pause, r.Resume},
	} {
		t.Run(fault.name, func(t *testing.T) {
			limits := running(t, open(t, "redis://"+r.Addr()), nil)
			l := limits.Limiter(route(perSecond(1000), 1000, "fleet"))
			decide := func(goroutines, requests int) (longest time.Duration) {
				var all sync.WaitGroup
				var mu sync.Mutex
				for range goroutines {
					all.Go(func() {
						for range requests {
							begun := time.Now()
							admits(l, "ip:192.0.2.1")
							took := time.Since(begun)
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
			during := decide(5, 200) // ends at all: the fault lasts
			await(t, "the gateway counts alone", func() bool {
				decide(1, 1)
				return !limits.fleet.up()
			})
			fault.mend()
			await(t, "the store counts again", limits.fleet.up)
			before := counted(t, limits.metrics.asked)
			await(t, "the store is asked again", func() bool {
				decide(1, 100)
				return counted(t, limits.metrics.asked) > before
			})
			t.Logf("figure: rate-limit-outage store=%s requests=1000 longest_ms=%.1f", fault.name, float64(during.Microseconds())/1000)
			if during > 20*time.Second {
				t.Errorf("a request waited %v", during)
			}
		})
	}
}

// The script does the same on a real server as on the one in memory, on which the other tests of it own the time.
func TestScriptOnBothStores(t *testing.T) {
	server, embedded := redistest.Start(t).Client(redistest.NoRetry), redistest.Connect(t, newMemory(t).Addr(), redistest.NoRetry)
	tell := func(words ...string) {
		t.Helper()
		for _, c := range []rueidis.Client{server, embedded} {
			if err := c.Do(t.Context(), c.B().Arbitrary(words...).Build()).Error(); err != nil {
				t.Fatal(err)
			}
		}
	}
	tell("SET", "k", "somebody else's")
	for i, c := range []struct {
		gateway string
		burst   int
		q       question
	}{
		{"a", 80, question{need: 1, extra: 100, lease: 1}},
		{"b", 80, question{need: 1, extra: 100, lease: 1}},
		{"a", 80, question{need: 2, extra: 5, lease: 2, closing: 1, spent: 4}},
		{"c", 80, question{need: 100, extra: 3, lease: 1}},
		{"b", 80, question{need: 1, closing: 1, spent: 0}},
		{"c", 80, question{need: 100}},
		{"a", 10_000_000, question{need: 10_000_000, extra: 1_250_000, lease: 3, closing: 2, spent: 1}},
	} {
		lim := newLimit(config.Rate{Requests: 1, Per: time.Hour}, c.burst)
		if i == 3 {
			tell("SCRIPT", "FLUSH")
		}
		got, err := ledger{server, c.gateway}.ask(t.Context(), "k", lim, c.q)
		if err != nil {
			t.Fatal(err)
		}
		want, err := ledger{embedded, c.gateway}.ask(t.Context(), "k", lim, c.q)
		if err != nil {
			t.Fatal(err)
		}
		if got.need != want.need || got.extra != want.extra || (want.wait-got.wait).Abs() > time.Minute {
			t.Errorf("step %d: %+v on the real one, %+v in memory", i, got, want)
		}
	}
	ttl, err := server.Do(t.Context(), server.B().Pttl().Key("k").Build()).AsInt64()
	if longest := time.Duration(deepest) + time.Hour; err != nil || ttl <= 0 || ttl > longest.Milliseconds() {
		t.Errorf("it stays for %d ms, %v", ttl, err)
	}
}
