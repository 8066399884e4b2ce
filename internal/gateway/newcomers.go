package gateway

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// newcomers are the connections on which nothing has come yet. When a server stops, net/http waits five seconds for the
// first request on each of them; but browsers keep some in reserve, and nobody wants to wait for those.
type newcomers struct {
	n     atomic.Int64 // len(since), readable without the lock: connState is called for each request
	mu    sync.Mutex
	since map[net.Conn]time.Time
}

// newcomerPatience is how long a new connection may be silent once the gateway stops.
const newcomerPatience = 500 * time.Millisecond

func (n *newcomers) connState(nc net.Conn, s http.ConnState) {
	if s != http.StateNew && n.n.Load() == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if s != http.StateNew {
		delete(n.since, nc)
	} else {
		if n.since == nil {
			n.since = make(map[net.Conn]time.Time)
		}
		n.since[nc] = time.Now()
	}
	n.n.Store(int64(len(n.since)))
}

// turnAway closes those that stay silent, until ctx ends.
func (n *newcomers) turnAway(ctx context.Context) {
	tick := time.NewTicker(newcomerPatience / 10)
	defer tick.Stop()
	for {
		n.mu.Lock()
		for nc, since := range n.since {
			if time.Since(since) >= newcomerPatience {
				nc.Close()
			}
		}
		n.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
