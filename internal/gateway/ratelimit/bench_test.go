package ratelimit

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// callerNames returns n names of callers.
func callerNames(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("ip:10.%d.%d.%d", i>>16, i>>8&255, i&255)
	}
	return all
}

func BenchmarkAdmit(b *testing.B) {
	callers := callerNames(10_000)
	for name, c := range map[string]struct {
		limiter *Limiter
		callers []string
	}{
		"local":         {New(nil, nil).Limiter(route(perSecond(1_000_000), 10_000_000, "gateway")), callers},
		"local refused": {New(nil, nil).Limiter(route(config.Rate{Requests: 1, Per: time.Hour}, 1, "gateway")), callers},
		"leased":        {leased(b, callers), callers},
		"one caller":    {leased(b, callers[:1]), callers[:1]},
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

// leased returns a limiter in which every caller has a lease without end.
func leased(b testing.TB, callers []string) *Limiter {
	limits := New(nil, nil)
	limits.shared = newShared(limits.metrics, nil, time.Minute)
	var ts tokenStore = storeClient{}
	limits.shared.store.Store(&ts)
	l := limits.Limiter(route(perSecond(1_000_000), 10_000_000, "fleet"))
	for _, caller := range callers {
		s, key := l.table.shard(caller)
		*l.table.bucket(s, key, 0) = bucket{tokens: 1 << 30, leaseEnd: 1 << 62}
	}
	return l
}

// BenchmarkNewCaller measures the cost of a new caller in a full table.
func BenchmarkNewCaller(b *testing.B) {
	l := New(nil, nil).Limiter(route(config.Rate{Requests: 1, Per: time.Hour}, 1, "gateway"))
	callers := callerNames(2 * maxCallers)
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

// TestMemoryOfCallers logs the memory per caller, and checks it against a generous bound.
func TestMemoryOfCallers(t *testing.T) {
	callers := callerNames(maxCallers + maxCallers/10)
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
	t.Logf("figure: rate-limit-memory callers=%d bytes_per_caller=%d MiB=%.1f", maxCallers, bytes/maxCallers, float64(bytes)/(1<<20))
	if bytes > 200*maxCallers {
		t.Errorf("%d callers use %d bytes", maxCallers, bytes)
	}
	runtime.KeepAlive(callers)
	runtime.KeepAlive(l)
}

func TestAdmitDoesNotAllocate(t *testing.T) {
	callers := callerNames(100)
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
