package ratelimit

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

func perSecond(n int) config.Rate { return config.Rate{Requests: n, Per: time.Second} }

func TestDecide(t *testing.T) {
	const year = 365 * 24 * time.Hour
	type arrival struct {
		at   time.Duration
		wait time.Duration // 0: admitted
	}
	for name, c := range map[string]struct {
		rate     config.Rate
		burst    int
		arrivals []arrival
	}{
		"a burst, then the rate": {perSecond(10), 3, []arrival{
			{0, 0}, {0, 0}, {0, 0}, {0, 100 * time.Millisecond}, {99 * time.Millisecond, time.Millisecond},
			{100 * time.Millisecond, 0}, {100 * time.Millisecond, 100 * time.Millisecond}, {300 * time.Millisecond, 0}, {300 * time.Millisecond, 0}}},
		"refused requests do not count": {perSecond(1), 1, []arrival{
			{0, 0}, {time.Millisecond, 999 * time.Millisecond}, {500 * time.Millisecond, 500 * time.Millisecond}, {time.Second, 0}}},
		"burst 1, to the nanosecond": {perSecond(1), 1, []arrival{{0, 0}, {time.Second - 1, 1}, {time.Second, 0}, {2 * time.Second, 0}}},
		"one per hour":               {config.Rate{Requests: 1, Per: time.Hour}, 1, []arrival{{0, 0}, {time.Minute, 59 * time.Minute}, {time.Hour, 0}}},
		"a pause gives at most the burst": {config.Rate{Requests: 60, Per: time.Minute}, 2, []arrival{
			{0, 0}, {year, 0}, {year, 0}, {year, time.Second}}},
		"a million per second":                  {perSecond(1_000_000), 1, []arrival{{0, 0}, {999, 1}, {1000, 0}, {1999, 1}, {2000, 0}}},
		"a third of a nanosecond is rounded up": {perSecond(3), 1, []arrival{{0, 0}, {333333333, 1}, {333333334, 0}}},
		"a clock that goes back": {perSecond(10), 2, []arrival{
			{time.Hour, 0}, {time.Hour, 0}, {0, time.Hour + 100*time.Millisecond}, {time.Hour, 100 * time.Millisecond}, {time.Hour + 100*time.Millisecond, 0}}},
		"a clock that goes back within the burst": {perSecond(10), 3, []arrival{
			{time.Second, 0}, {900 * time.Millisecond, 0}, {900 * time.Millisecond, 100 * time.Millisecond}, {time.Second, 0}, {time.Second, 100 * time.Millisecond}}},
		"a burst of a thousand years": {config.Rate{Requests: 1, Per: time.Hour}, 10_000_000, []arrival{{0, 0}, {0, 0}, {100 * year, 0}, {145 * year, 0}}},
	} {
		l := newLimit(c.rate, c.burst)
		tat := int64(0)
		for i, a := range c.arrivals {
			next, wait := l.decide(int64(a.at), tat)
			if wait != a.wait {
				t.Errorf("%s: arrival %d at %v: wait %v, want %v", name, i, a.at, wait, a.wait)
			}
			if wait > 0 && next != tat {
				t.Errorf("%s: arrival %d was refused but counted", name, i)
			}
			tat = next
		}
	}
}

// The sums do not overflow with extreme values of the configuration.
func TestDecideAtExtremeValues(t *testing.T) {
	for _, requests := range []int{1, 7, 999_999, 1_000_000} {
		for _, per := range []time.Duration{time.Second, time.Minute, time.Hour} {
			for _, burst := range []int{1, 2, 1000, 10_000_000} {
				l := newLimit(config.Rate{Requests: requests, Per: per}, burst)
				if l.interval*int64(requests) < int64(per) || (l.interval-1)*int64(requests) >= int64(per) {
					t.Errorf("%d/%v: interval %d", requests, per, l.interval)
				}
				if l.depth < l.interval || l.depth > maxDepth || l.depth != l.interval*int64(burst) && l.depth != maxDepth {
					t.Errorf("%d/%v, burst %d: depth %d", requests, per, burst, l.depth)
				}
				now := int64(100 * 365 * 24 * time.Hour)
				full := now + l.depth // no request is left
				if next, wait := l.decide(now, full); wait != time.Duration(l.interval) || next != full {
					t.Errorf("%d/%v, burst %d: without burst: wait %v", requests, per, burst, wait)
				}
				if next, wait := l.decide(now, full-l.interval); wait != 0 || next != full {
					t.Errorf("%d/%v, burst %d: last request of the burst: wait %v", requests, per, burst, wait)
				}
			}
		}
	}
}

// tokenBucket is the reference for GCRA: a bucket of burst tokens that gains one token per interval.
type tokenBucket struct {
	limit
	tokens, at int64 // in parts of an interval
}

func (b *tokenBucket) admit(now int64) bool {
	b.tokens = min(b.depth, b.tokens+now-b.at)
	b.at = now
	if b.tokens < b.interval {
		return false
	}
	b.tokens -= b.interval
	return true
}

// For random arrivals, GCRA admits the same requests as a token bucket. So it never admits more than rate * t + burst.
func TestDecideEqualsTokenBucket(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		rate := config.Rate{Requests: 1 + r.IntN(1<<r.IntN(20)), Per: []time.Duration{time.Second, time.Minute, time.Hour}[r.IntN(3)]}
		l := newLimit(rate, 1+r.IntN(1<<r.IntN(8)))
		reference := &tokenBucket{limit: l, tokens: l.depth}
		var tat, now int64
		var all []int64
		for range 500 {
			now += int64(r.ExpFloat64() * float64(l.interval) * []float64{0, 0.3, 1, 3, 100}[r.IntN(5)])
			next, wait := l.decide(now, tat)
			tat = next
			if want := reference.admit(now); (wait == 0) != want {
				t.Fatalf("seed %d, %v, burst %d: at %d: admitted %v, but %v by the token bucket", seed, rate, l.depth/l.interval, now, wait == 0, want)
			}
			if wait == 0 {
				all = append(all, now)
			}
		}
		checkWindows(t, l, all)
	}
}

// checkWindows checks that each window of time has at most rate * t + burst of the admitted requests. It only needs the
// windows that begin and end with a request.
func checkWindows(t testing.TB, l limit, admitted []int64) {
	t.Helper()
	burst := int(l.depth / l.interval)
	for i := range admitted {
		for j := i; j < len(admitted); j++ {
			if n, most := j-i+1, burst+int((admitted[j]-admitted[i])/l.interval); n > most {
				t.Fatalf("%d requests admitted in %v, want at most %d", n, time.Duration(admitted[j]-admitted[i]), most)
			}
		}
	}
}
