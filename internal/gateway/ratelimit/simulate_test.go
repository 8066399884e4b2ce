package ratelimit

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// simulation is a number of gateways with one clock, and the requests of one caller.
type simulation struct {
	*memoryStore
	gateways []*Limits
	limiters []*Limiter
	admitted []int64
	requests int
}

func newSimulation(t testing.TB, gateways int, rate config.Rate, burst int) *simulation {
	w := &simulation{memoryStore: newMemoryStore(t)}
	for i := range gateways {
		limits := w.gateway(t, string(rune('a'+i)))
		w.gateways = append(w.gateways, limits)
		w.limiters = append(w.limiters, limits.Limiter(route(rate, burst, "fleet")))
	}
	return w
}

func (w *simulation) request(gateway int) bool {
	w.requests++
	ok := admits(w.limiters[gateway], "ip:192.0.2.1")
	if ok {
		w.admitted = append(w.admitted, w.Load())
	}
	return ok
}

func (w *simulation) roundTrips(t testing.TB) (n float64) {
	for _, g := range w.gateways {
		n += metricValue(t, g.metrics.storeOK)
	}
	return n
}

// For random arrivals at random gateways, all of them together never admit more than rate * t + burst in any time t.
func TestGatewaysTogetherNeverExceedLimit(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 2))
		l := config.RateLimit{Rate: perSecond(1 + r.IntN(1<<r.IntN(11))), Burst: 1 + r.IntN(1<<r.IntN(10))}
		w := newSimulation(t, 1+r.IntN(4), l.Rate, l.Burst)
		interval := float64(time.Second) / float64(l.Rate.Requests)
		pace, gateway := 1.0, 0
		for range 1000 {
			if r.IntN(100) == 0 {
				pace = []float64{0, 0.1, 0.5, 1, 2, 20}[r.IntN(6)]
			}
			if r.IntN(1+r.IntN(50)) == 0 {
				gateway = r.IntN(len(w.limiters))
			}
			w.sleep(time.Duration(r.ExpFloat64() * pace * interval).Truncate(time.Microsecond))
			w.request(gateway)
		}
		checkWindows(t, newLimit(l.Rate, l.Burst), w.admitted)
	}
}

// The share of the allowed requests that several gateways admit, for a steady caller and several distributions of its
// requests. The caller loses the tokens of leases on gateways to which it does not return in time.
func TestGatewaysTogetherUseTheLimit(t *testing.T) {
	const rate, duration = 100, 20 * time.Second
	for name, c := range map[string]struct {
		every   time.Duration // between requests
		gateway func(r *rand.Rand, i int) int
		atLeast float64
	}{
		"one gateway":                  {time.Millisecond, func(_ *rand.Rand, i int) int { return 0 }, 0.99},
		"three gateways in turn":       {time.Millisecond, func(_ *rand.Rand, i int) int { return i % 3 }, 0.99},
		"three gateways at random":     {time.Millisecond, func(r *rand.Rand, i int) int { return r.IntN(3) }, 0.99},
		"just the rate, in turn":       {10 * time.Millisecond, func(_ *rand.Rand, i int) int { return i % 3 }, 0.95},
		"ten gateways, for 60 ms each": {time.Millisecond, func(_ *rand.Rand, i int) int { return i / 60 % 10 }, 0.9},
		"ten gateways, for 1.2 s each": {time.Millisecond, func(_ *rand.Rand, i int) int { return i / 1200 % 10 }, 0.9},
	} {
		r := rand.New(rand.NewPCG(1, 1))
		w := newSimulation(t, 10, perSecond(rate), rate)
		for i := 0; w.Load() < int64(duration); i++ {
			w.request(c.gateway(r, i))
			w.sleep(c.every)
		}
		possible := min(rate*duration.Seconds()+rate, float64(w.requests))
		share := float64(len(w.admitted)) / possible
		trips := w.roundTrips(t)
		t.Logf("figure: rate-limit-fleet %q admitted=%.1f%% of what could be, round_trips_per_1000_requests=%.1f per_1000_admitted=%.1f",
			name, 100*share, 1000*trips/float64(w.requests), 1000*trips/float64(len(w.admitted)))
		if share < c.atLeast {
			t.Errorf("%s: %.1f%% admitted", name, 100*share)
		}
		checkWindows(t, newLimit(perSecond(rate), rate), w.admitted)
	}
}

// A caller far below its limit needs few round trips.
func TestRoundTripsBelowTheLimit(t *testing.T) {
	for _, perCaller := range []int{1, 2, 10, 50} {
		w := newSimulation(t, 1, perSecond(100), 100)
		for w.Load() < int64(time.Minute) {
			if !w.request(0) {
				t.Fatal("a caller below its limit is refused")
			}
			w.sleep(time.Second / time.Duration(perCaller))
		}
		per := 1000 * w.roundTrips(t) / float64(w.requests)
		t.Logf("figure: rate-limit-quiet requests_per_s=%d of 100 round_trips_per_1000_requests=%.0f", perCaller, per)
		if perCaller >= 2 && per > 200 {
			t.Errorf("%d requests per second: %.0f round trips per 1000", perCaller, per)
		}
	}
}

// FuzzLeases simulates the traffic between gateways and store: requests, pauses, lost answers, and delayed requests to
// the store. Two bytes are one step.
func FuzzLeases(f *testing.F) {
	f.Add([]byte{0, 1, 1, 1, 2, 1, 0, 9, 0, 65, 0, 129, 0, 1, 1, 1}, uint16(100), uint16(20))
	f.Add([]byte{0, 1, 0, 2, 0, 200, 0, 1, 1, 130, 3, 255, 0, 1, 1, 1, 0, 63, 0, 0, 0, 0}, uint16(10), uint16(64))
	m := newMemoryStore(f)
	client := redistest.Connect(f, m.Addr(), redistest.NoRetry)
	f.Fuzz(func(t *testing.T, steps []byte, rate, burst uint16) {
		l := newLimit(perSecond(1+int(rate)), 1+int(burst)%200)
		m.FlushAll()
		type gateway struct {
			storeClient
			bucket
		}
		var gateways []*gateway
		for i := range 3 {
			gateways = append(gateways, &gateway{storeClient: storeClient{client, string(rune('a' + i))}})
		}
		var delayed []func()
		var admits []int64
		for step := range slices.Chunk(steps[:min(len(steps), 400)], 2) {
			g := gateways[int(step[0])%len(gateways)]
			m.sleep(time.Duration(step[0]/4) * time.Duration(step[0]/4) * 2 * time.Millisecond)
			event, n := step[len(step)-1]>>6, int(step[len(step)-1]&63)
			now := m.Load()
			for range n {
				v, _ := g.decide(now, l, false)
				if v == admitted {
					admits = append(admits, now)
				}
				if v != undecided {
					continue
				}
				r := g.bucket.request(now, 1, uint32(l.depth/l.interval/8))
				send := func() tokenGrant {
					got, err := g.storeClient.request(context.Background(), "k", l, r)
					if err != nil {
						t.Fatal(err)
					}
					return got
				}
				switch event {
				case 1: // the answer is lost
					send()
				case 2: // the request arrives after later ones, and its answer is lost
					delayed = append(delayed, func() { send() })
				default:
					got := send()
					g.accept(now, r, got)
					if next, wait := l.decide(now, g.tat); got.needed == 1 && wait == 0 {
						g.tat = next
						admits = append(admits, now)
					}
				}
			}
			if event == 3 {
				for _, send := range delayed {
					send()
				}
				delayed = nil
			}
		}
		checkWindows(t, l, admits)
	})
}
