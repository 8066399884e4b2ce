package gateway

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// leavePoll is the time between two looks at the connections that are left.
const leavePoll = 50 * time.Millisecond

// Leave is for a process whose addresses another one serves now.
//
// It lets all connections come to their end while another process accepts new ones: each response is the last one of its
// connection. An idle connection is not closed, because its client may just be sending a request. Leave returns when no
// connection is left, when Config.Drain is over, or when ctx ends. After Config.Drain, what is left gets one more second at
// the end of Run. After the end of ctx, Run closes idle connections and lets requests finish, as ever.
func (g *Gateway) Leave(ctx context.Context) {
	g.leaving.Store(true)
	ctx, cancel := context.WithTimeout(ctx, g.current.Load().cfg.Drain)
	defer cancel()
	if n := g.tunnels.len(); n > 0 {
		g.log.Info("waiting for upgraded connections", "open", n, "at_most_s", g.current.Load().cfg.Drain.Seconds())
	}
	for {
		select {
		case <-time.After(leavePoll): // a connection that was just accepted counts soon
		case <-ctx.Done():
			g.drained.Store(context.Cause(ctx) == context.DeadlineExceeded)
			return
		}
		if g.openConnections() == 0 {
			return
		}
	}
}

// openConnections counts the connections of all engines, upgraded ones included.
func (g *Gateway) openConnections() (n int) {
	g.mu.Lock()
	listeners := slices.Concat(g.open, g.closing)
	g.mu.Unlock()
	for _, l := range listeners {
		for _, f := range l.frontends() {
			n += f.inlet.count()
		}
	}
	return n
}

// endAfter makes the response the last one of its connection, if the gateway leaves.
func (g *Gateway) endAfter(w http.ResponseWriter) {
	if g.leaving.Load() {
		w.Header().Set("Connection", "close") // over HTTP/2, the engine sends GOAWAY
	}
}
