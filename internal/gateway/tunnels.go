package gateway

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// tunnels are the upgraded connections of a gateway. The engine does not know a connection after its upgrade, so the
// gateway counts it, waits for it and closes it.
type tunnels struct {
	connections prometheus.Gauge // counts the tunnels' client connections, too

	mu     sync.Mutex
	open   map[*tunnel]struct{}
	none   chan struct{} // closed when no tunnel is open; nil while wait is not waiting
	killed bool          // every tunnel is closed at once
}

func newTunnels(connections prometheus.Gauge) tunnels {
	return tunnels{connections: connections, open: make(map[*tunnel]struct{})}
}

func (ts *tunnels) add(t *tunnel) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.open[t] = struct{}{}
	if ts.killed {
		t.close()
	}
}

func (ts *tunnels) remove(t *tunnel) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.connections.Dec()
	delete(ts.open, t)
	if len(ts.open) == 0 && ts.none != nil {
		close(ts.none)
		ts.none = nil
	}
}

func (ts *tunnels) len() int {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return len(ts.open)
}

// wait returns when no tunnel is open or when ctx ends. It returns the number of open tunnels.
func (ts *tunnels) wait(ctx context.Context) int {
	ts.mu.Lock()
	if len(ts.open) == 0 {
		ts.mu.Unlock()
		return 0
	}
	if ts.none == nil {
		ts.none = make(chan struct{})
	}
	none := ts.none
	ts.mu.Unlock()
	select {
	case <-none:
	case <-ctx.Done():
	}
	return ts.len()
}

// kill closes all tunnels, and those that are opened later.
func (ts *tunnels) kill() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.killed = true
	for t := range ts.open {
		t.close()
	}
}
