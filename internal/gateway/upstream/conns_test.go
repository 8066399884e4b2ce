package upstream

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
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

// countingNode is a node that counts its open connections. It responds when n requests are there, so that n requests at the
// same time need n connections.
type countingNode struct {
	*httptest.Server
	open, total atomic.Int64
}

func serveCounting(t *testing.T, address string, n int) *countingNode {
	t.Helper()
	c := &countingNode{}
	var arrived atomic.Int64
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() == "tenfold-probe" {
			return
		}
		for arrived.Add(1); arrived.Load() < int64(n); {
			time.Sleep(time.Millisecond)
		}
		io.WriteString(w, address)
	}))
	c.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		switch st {
		case http.StateNew:
			c.open.Add(1)
			c.total.Add(1)
		case http.StateClosed, http.StateHijacked:
			c.open.Add(-1)
		}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c.Listener.Close()
	c.Listener = l
	c.Start()
	t.Cleanup(c.Close)
	return c
}

func sendTogether(t *testing.T, p *Pool, n int) {
	t.Helper()
	var requests sync.WaitGroup
	for range n {
		requests.Go(func() {
			if status, _, err := send(context.Background(), p, "GET", ""); status != 200 || err != nil {
				t.Errorf("%d %v", status, err)
			}
		})
	}
	requests.Wait()
}

// A server may wait at its end until its peers have closed their connections. A drain closes the idle ones at once.
func TestDrainClosesIdleConnections(t *testing.T) {
	s := serveCounting(t, "127.0.0.1:0", 20)
	p := newPool(t, "probe: {interval: 1h}", s.Listener.Addr().String())
	sendTogether(t, p, 20)
	if n := s.open.Load(); n < 20 {
		t.Errorf("%d connections are open after 20 requests at the same time", n)
	}
	if err := p.Drain(t.Context(), "shop-1"); err != nil {
		t.Error(err)
	}
	await(t, "the idle connections are closed", func() bool { return s.open.Load() == 0 })
}

// A connection that carries a request while its node begins to drain is closed after that request.
func TestDrainClosesConnectionsAfterTheirRequest(t *testing.T) {
	var open atomic.Int64
	arrived, release := make(chan bool), make(chan bool)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != "tenfold-probe" {
			arrived <- true
			<-release
		}
	}))
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		switch st {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	p := newPool(t, "probe: {interval: 1h}", s.Listener.Addr().String())
	go send(context.Background(), p, "GET", "")
	<-arrived
	drained := make(chan error, 1)
	go func() { drained <- p.Drain(context.Background(), "shop-1") }()
	await(t, "the node drains", func() bool { return p.members["shop-1"].draining.Load() })
	close(release)
	if err := <-drained; err != nil {
		t.Error(err)
	}
	await(t, "the connection is closed", func() bool { return open.Load() == 0 })
}

// Idle connections are closed by a timer, also when no further request comes.
func TestIdleConnectionsExpireWithoutTraffic(t *testing.T) {
	s := serveCounting(t, "127.0.0.1:0", 20)
	p := newPool(t, "probe: {interval: 1h}\nidle_timeout: 300ms", s.Listener.Addr().String())
	sendTogether(t, p, 20)
	if n := s.open.Load(); n < 20 {
		t.Errorf("%d connections are open after 20 requests at the same time", n)
	}
	await(t, "the idle connections are closed", func() bool { return s.open.Load() == 0 })
	c := &p.members["shop-1"].conns
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.idle); n != 0 {
		t.Errorf("%d connections are still idle", n)
	}
}
