package ratelimit

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("ip:10.%d.%d.%d", i>>16, i>>8&255, i&255)
	}
	return all
}

func BenchmarkAdmit(b *testing.B) {
	callers := names(10_000)
	for name, c := range map[string]struct {
		limiter *Limiter
		callers []string
	}{
		"local":        {New(nil, nil).Limiter(route(perSecond(1_000_000), 10_000_000, "gateway")), callers},
		"local refuse": {New(nil, nil).Limiter(route(config.Rate{Requests: 1, Per: time.Hour}, 1, "gateway")), callers},
		"leased":       {leased(b, callers), callers},
		"one caller":   {leased(b, callers[:1]), callers[:1]},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				c.limiter.Admit(c.callers[i%len(c.callers)])
				i++
			}
		})
		b.Run(name+" parallel", func(b *testing.B) {
			b.RunParallel(func(p *testing.PB) {
				for i := 0; p.Next(); i++ {
					c.limiter.Admit(c.callers[i%len(c.callers)])
				}
			})
		})
	}
}

// leased is a limiter of a fleet in which every caller has a lease that lasts.
func leased(b testing.TB, callers []string) *Limiter {
	limits := New(nil, nil)
	limits.fleet = newFleet(limits.metrics, nil, time.Minute)
	var none asker = ledger{}
	limits.fleet.asker.Store(&none)
	l := limits.Limiter(route(perSecond(1_000_000), 10_000_000, "fleet"))
	for _, caller := range callers {
		s, key := l.table.shard(caller)
		*l.table.account(s, key, 0) = account{tokens: 1 << 30, until: 1 << 62}
	}
	return l
}

// BenchmarkNewCaller is what each new name costs when a table is full.
func BenchmarkNewCaller(b *testing.B) {
	l := New(nil, nil).Limiter(route(config.Rate{Requests: 1, Per: time.Hour}, 1, "gateway"))
	callers := names(2 * mostCallers)
	for _, caller := range callers {
		l.Admit(caller)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		l.Admit(callers[i%len(callers)])
		i++
	}
}

// TestMemoryOfCallers prints what a caller costs, and holds it to a bound that no busy machine breaks.
func TestMemoryOfCallers(t *testing.T) {
	callers := names(mostCallers + mostCallers/10)
	l := New(nil, nil).Limiter(route(config.Rate{Requests: 1, Per: time.Hour}, 1, "gateway"))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, caller := range callers {
		l.Admit(caller)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	bytes := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("figure: rate-limit-memory callers=%d bytes_per_caller=%d MiB=%.1f", mostCallers, bytes/mostCallers, float64(bytes)/(1<<20))
	if bytes > 200*mostCallers {
		t.Errorf("%d callers take %d bytes", mostCallers, bytes)
	}
	runtime.KeepAlive(callers)
	runtime.KeepAlive(l)
}

func TestAdmitAllocatesNothing(t *testing.T) {
	callers := names(100)
	for name, l := range map[string]*Limiter{"leased": leased(t, callers), "local": New(nil, nil).Limiter(route(perSecond(1), 1, "gateway"))} {
		for _, caller := range callers {
			l.Admit(caller)
		}
		if n := testing.AllocsPerRun(100, func() {
			for _, caller := range callers {
				l.Admit(caller)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations for %d requests", name, n, len(callers))
		}
	}
}
