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

// world is a fleet of gateways under one clock, and one caller whose requests they decide.
type world struct {
	*memory
	gateways []*Limits
	limiters []*Limiter
	admitted []int64
	asked    int // requests
}

func newWorld(t testing.TB, gateways int, rate config.Rate, burst int) *world {
	w := &world{memory: newMemory(t)}
	for i := range gateways {
		limits := w.gateway(t, string(rune('a'+i)))
		w.gateways = append(w.gateways, limits)
		w.limiters = append(w.limiters, limits.Limiter(route(rate, burst, "fleet")))
	}
	return w
}

func (w *world) request(gateway int) bool {
	w.asked++
	ok := admits(w.limiters[gateway], "ip:192.0.2.1")
	if ok {
		w.admitted = append(w.admitted, w.Load())
	}
	return ok
}

func (w *world) roundTrips(t testing.TB) (n float64) {
	for _, g := range w.gateways {
		n += counted(t, g.metrics.asked)
	}
	return n
}

// Whatever comes, and to which gateway, all of them together never admit more than rate * t + burst in any time t.
func TestFleetNeverAdmitsMore(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 2))
		l := config.RateLimit{Rate: perSecond(1 + r.IntN(1<<r.IntN(11))), Burst: 1 + r.IntN(1<<r.IntN(10))}
		w := newWorld(t, 1+r.IntN(4), l.Rate, l.Burst)
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

// What a fleet admits of rate * t + burst, or of what it is asked: a caller that does not stop, in several ways to spread its
// requests. It loses what it leaves behind on gateways to which it does not return while their leases last.
func TestFleetAdmitsWhatItCould(t *testing.T) {
	const rate, long = 100, 20 * time.Second
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
		w := newWorld(t, 10, perSecond(rate), rate)
		for i := 0; w.Load() < int64(long); i++ {
			w.request(c.gateway(r, i))
			w.sleep(c.every)
		}
		possible := min(rate*long.Seconds()+rate, float64(w.asked))
		share := float64(len(w.admitted)) / possible
		trips := w.roundTrips(t)
		t.Logf("figure: rate-limit-fleet %q admitted=%.1f%% of what could be, round_trips_per_1000_requests=%.1f per_1000_admitted=%.1f",
			name, 100*share, 1000*trips/float64(w.asked), 1000*trips/float64(len(w.admitted)))
		if share < c.atLeast {
			t.Errorf("%s: %.1f%% admitted", name, 100*share)
		}
		checkWindows(t, newLimit(perSecond(rate), rate), w.admitted)
	}
}

// A caller far below its limit costs a round trip now and then.
func TestRoundTripsOfQuietCallers(t *testing.T) {
	for _, perCaller := range []int{1, 2, 10, 50} {
		w := newWorld(t, 1, perSecond(100), 100)
		for w.Load() < int64(time.Minute) {
			if !w.request(0) {
				t.Fatal("a caller below its limit is refused")
			}
			w.sleep(time.Second / time.Duration(perCaller))
		}
		per := 1000 * w.roundTrips(t) / float64(w.asked)
		t.Logf("figure: rate-limit-quiet requests_per_s=%d of 100 round_trips_per_1000_requests=%.0f", perCaller, per)
		if perCaller >= 2 && per > 200 {
			t.Errorf("%d requests per second: %.0f round trips per 1000", perCaller, per)
		}
	}
}

// FuzzLeases plays with what can happen between gateways and store: requests, pauses, answers that are lost, and questions
// that the store reads late, after others. Each two bytes are one step.
func FuzzLeases(f *testing.F) {
	f.Add([]byte{0, 1, 1, 1, 2, 1, 0, 9, 0, 65, 0, 129, 0, 1, 1, 1}, uint16(100), uint16(20))
	f.Add([]byte{0, 1, 0, 2, 0, 200, 0, 1, 1, 130, 3, 255, 0, 1, 1, 1, 0, 63, 0, 0, 0, 0}, uint16(10), uint16(64))
	m := newMemory(f)
	client := redistest.Connect(f, m.Addr(), redistest.NoRetry)
	f.Fuzz(func(t *testing.T, steps []byte, rate, burst uint16) {
		l := newLimit(perSecond(1+int(rate)), 1+int(burst)%200)
		m.FlushAll()
		type gateway struct {
			ledger
			account
		}
		var gateways []*gateway
		for i := range 3 {
			gateways = append(gateways, &gateway{ledger: ledger{client, string(rune('a' + i))}})
		}
		var late []func()
		var admits []int64
		for step := range slices.Chunk(steps[:min(len(steps), 400)], 2) {
			g := gateways[int(step[0])%len(gateways)]
			m.sleep(time.Duration(step[0]/4) * time.Duration(step[0]/4) * 2 * time.Millisecond)
			what, n := step[len(step)-1]>>6, int(step[len(step)-1]&63)
			now := m.Load()
			for range n {
				v, _ := g.decide(now, l, false)
				if v == admitted {
					admits = append(admits, now)
				}
				if v != unknown {
					continue
				}
				q := g.account.ask(now, 1, uint32(l.depth/l.interval/8))
				ask := func() answer {
					got, err := g.ledger.ask(context.Background(), "k", l, q)
					if err != nil {
						t.Fatal(err)
					}
					return got
				}
				switch what {
				case 1: // the answer is lost
					ask()
				case 2: // the question comes when others have, and nobody hears the answer
					late = append(late, func() { ask() })
				default:
					got := ask()
					g.take(now, q, got)
					if next, wait := l.decide(now, g.tat); got.need == 1 && wait == 0 {
						g.tat = next
						admits = append(admits, now)
					}
				}
			}
			if what == 3 {
				for _, ask := range late {
					ask()
				}
				late = nil
			}
		}
		checkWindows(t, l, admits)
	})
}
