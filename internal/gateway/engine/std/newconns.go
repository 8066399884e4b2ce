package std

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// newConns holds the connections on which no byte has arrived yet. During a shutdown, net/http waits five seconds for
// the first request on each of them. Browsers keep such connections in reserve, so newConns closes them earlier.
type newConns struct {
	n      atomic.Int64 // len(opened), readable without the lock: connState is called for each request
	mu     sync.Mutex
	opened map[net.Conn]time.Time
}

// silentTime is how long a connection may stay silent after it was opened, once the engine shuts down.
const silentTime = 500 * time.Millisecond

func (n *newConns) connState(nc net.Conn, s http.ConnState) {
	if s != http.StateNew && n.n.Load() == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if s != http.StateNew {
		delete(n.opened, nc)
	} else {
		if n.opened == nil {
			n.opened = make(map[net.Conn]time.Time)
		}
		n.opened[nc] = time.Now()
	}
	n.n.Store(int64(len(n.opened)))
}

// closeSilent closes the connections that stay silent, until ctx ends.
func (n *newConns) closeSilent(ctx context.Context) {
	tick := time.NewTicker(silentTime / 10)
	defer tick.Stop()
	for {
		n.mu.Lock()
		for nc, opened := range n.opened {
			if time.Since(opened) >= silentTime {
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
