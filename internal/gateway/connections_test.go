package gateway

import (
	"crypto/tls"
	"net/http"
	"testing"
)

func TestConnectionsForOpenFiles(t *testing.T) {
	for _, c := range []struct{ files, nodes, want int }{
		{0, 2, 0}, {256, 2, 91}, {256, 100, 64}, {1024, 2, 475}, {1024, 1000, 256}, {1 << 20, 10, 524_231}, {16, 1, 8},
	} {
		if got := connectionsFor(c.files, c.nodes); got != c.want {
			t.Errorf("%d files, %d nodes: %d connections, want %d", c.files, c.nodes, got, c.want)
		}
	}
}

// Idle connections are closed for others at the limit: over TLS those that are silent before or after the handshake, and
// HTTP/2 connections between two requests.
func TestIdleTLSConnectionsAreClosedForOthers(t *testing.T) {
	ca, lines := secure(t)
	f := start(t, lines+"limits: {connections: 3}", "", address(serve(t, func(w http.ResponseWriter, r *http.Request) {})))
	get := func(h2 bool) {
		t.Helper()
		resp, err := secureClient(t, ca, h2).Get("https://" + f.addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("got %d", resp.StatusCode)
		}
	}
	for range 2 {
		dial(t, f.addr)
		for _, protocol := range []string{"h2", "http/1.1"} {
			nc := tls.Client(dial(t, f.addr), &tls.Config{RootCAs: ca.pool, ServerName: "a", NextProtos: []string{protocol}})
			if err := nc.Handshake(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 10 { // each keeps a connection
		get(i%2 == 0)
	}
	if n := f.counted(t)["tenfold_connections_idle_closed_total"]; n < 10 {
		t.Errorf("%v connections were closed", n)
	}
	if n := f.counted(t)["tenfold_connections_limit"]; n != 3 {
		t.Errorf("the limit is %v", n)
	}
}
