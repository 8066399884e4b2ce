package upstream

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// A server may close an idle connection at any time. A request that must not be sent twice does not use a connection
// that was idle for long, or one that is already closed.
func TestIdleConnections(t *testing.T) {
	var conns atomic.Int64
	s := httptest.NewUnstartedServer(respondWith("ok"))
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	p := newPool(t, "probe: {interval: 1h, timeout: 1s}", s.Listener.Addr().String())
	m := p.members["shop-1"]
	conns.Store(0)
	for range 5 {
		send(t.Context(), p, "POST", "x")
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("5 requests took %d connections, want 1", n)
	}
	m.conns.mu.Lock()
	m.conns.idle[0].since -= 2 * freshIdle
	m.conns.mu.Unlock()
	send(t.Context(), p, "GET", "")
	if n := conns.Load(); n != 1 {
		t.Errorf("a GET did not use the idle connection: %d connections", n)
	}
	m.conns.mu.Lock()
	m.conns.idle[0].since -= 2 * freshIdle
	m.conns.mu.Unlock()
	send(t.Context(), p, "POST", "x")
	if n := conns.Load(); n != 2 {
		t.Errorf("a POST used a connection that was idle for long: %d connections, want a second one", n)
	}
	s.CloseClientConnections()
	for range 3 {
		if _, body, err := send(t.Context(), p, "POST", "x"); body != "ok" || err != nil {
			t.Errorf("after the server closed its connections: %q %v", body, err)
		}
	}
}
