package upstream

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/node"
)

func TestShareGrowsDuringSlowStart(t *testing.T) {
	now := sinceEpoch()
	var settings atomic.Pointer[Settings]
	settings.Store(&Settings{service: config.Service{SlowStart: 10 * time.Second}})
	m := newMember(node.Node{ID: "shop-9", Address: "127.0.0.1:1"}, &settings)
	if m.Share(now) != 1 {
		t.Error("a node that is not warming does not have its full share")
	}
	m.warmFrom.Store(int64(now))
	for _, c := range []struct {
		after time.Duration
		want  float64
	}{{0, 0.1}, {500 * time.Millisecond, 0.1}, {5 * time.Second, 0.5}, {10 * time.Second, 1}, {0, 1}} {
		if got := m.Share(now + c.after); got != c.want {
			t.Errorf("after %v: %v, want %v", c.after, got, c.want)
		}
	}
}

func TestSlowStartOnlyNextToWarmNodes(t *testing.T) {
	a, b, c := serve(t, respondWith("")), serve(t, respondWith("")), serve(t, respondWith(""))
	p := newPool(t, "", a)
	configure(t, p, func(s *config.Service) { s.SlowStart = time.Hour })
	p.Update(setOf(a, b))
	if err := p.AwaitReady(t.Context(), "shop-2"); err != nil {
		t.Fatal(err)
	}
	if got := p.Nodes()[1].State; got != node.Ready {
		t.Errorf("a node that starts together with the others is %v, want ready", got)
	}
	p.mu.Lock()
	p.members["shop-1"].readySince = time.Now().Add(-2 * time.Hour)
	p.mu.Unlock()
	p.Update(setOf(a, b, c))
	if err := p.AwaitReady(t.Context(), "shop-3"); err != nil {
		t.Fatal(err)
	}
	if got := p.Nodes()[2].State; got != node.Warming {
		t.Errorf("a new node next to a warm one is %v, want warming", got)
	}
}
