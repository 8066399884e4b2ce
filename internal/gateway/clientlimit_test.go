package gateway

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/tenfold-go/tenfold/internal/config"
)

const keptGet = "GET /p HTTP/1.1\r\nHost: shop.example\r\n\r\n"

// openConnection sends a request on a new connection and keeps the connection. It returns the connection, or nil when the gateway
// closed it. head comes before the request.
func openConnection(t *testing.T, addr, head string) net.Conn {
	t.Helper()
	nc := dial(t, addr)
	io.WriteString(nc, head+keptGet)
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		return nil
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
	return nc
}

func proxyHead(t *testing.T, version byte, client string) string {
	t.Helper()
	source := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(client), 5))
	destination := &net.TCPAddr{IP: net.ParseIP("5.6.7.8"), Port: 80}
	if source.AddrPort().Addr().Is6() {
		destination.IP = net.ParseIP("2001:db8::ff")
	}
	var head strings.Builder
	if _, err := proxyproto.HeaderProxyFromAddrs(version, source, destination).WriteTo(&head); err != nil {
		t.Fatal(err)
	}
	return head.String()
}

// A client has at most so many connections. When one of them ends, the client may open another one.
func TestConnectionsPerClient(t *testing.T) {
	f := start(t, "limits: {connections_per_client: 2}", "", mirror(t))
	first, second := openConnection(t, f.addr, ""), openConnection(t, f.addr, "")
	if first == nil || second == nil {
		t.Fatal("a connection below the limit was closed")
	}
	for range 3 {
		if openConnection(t, f.addr, "") != nil {
			t.Error("a connection above the limit was served")
		}
	}
	if n := f.counted(t)["tenfold_connections_refused_total"]; n != 3 {
		t.Errorf("%v connections were refused according to the metric, want 3", n)
	}
	first.Close()
	for begun := time.Now(); openConnection(t, f.addr, "") == nil; time.Sleep(5 * time.Millisecond) {
		if time.Since(begun) > patience {
			t.Fatal("a connection that has ended still counts")
		}
	}
}

// With the PROXY protocol each client of the header has its own limit, and a network /64 is one client.
func TestConnectionsPerClientWithProxyProtocol(t *testing.T) {
	f := start(t, "proxy_protocol: 127.0.0.1\ntrusted_proxies: 10.0.0.0/8\nlimits: {connections_per_client: 2}", "", mirror(t))
	silent := dial(t, f.addr) // sends no header, and does not hold up the others
	defer silent.Close()
	for _, row := range []struct {
		client  string
		version byte
		served  bool
	}{
		{"1.2.3.4", 1, true}, {"1.2.3.4", 2, true}, {"1.2.3.4", 1, false}, {"1.2.3.4", 2, false},
		{"1.2.3.5", 1, true},
		{"2001:db8::1", 1, true}, {"2001:db8::2", 2, true}, {"2001:db8::ffff:1", 2, false}, {"2001:db8:0:1::1", 2, true},
		{"10.0.0.1", 1, true}, {"10.0.0.1", 1, true}, {"10.0.0.1", 1, true}, {"10.0.0.1", 1, true}, // a trusted proxy
	} {
		if served := openConnection(t, f.addr, proxyHead(t, row.version, row.client)) != nil; served != row.served {
			t.Errorf("%s: served %v, want %v", row.client, served, row.served)
		}
	}
	for range 4 { // the proxy itself, for example its health checks
		if openConnection(t, f.addr, "PROXY UNKNOWN\r\n") == nil {
			t.Error("a connection of the proxy itself was closed")
		}
	}
}

// A connection that waits for its TLS handshake counts.
func TestConnectionsPerClientWithTLS(t *testing.T) {
	_, tlsTop := secure(t)
	f := start(t, tlsTop+"limits: {connections_per_client: 1}", "", mirror(t))
	nc := dial(t, f.addr)
	defer nc.Close()
	other := dial(t, f.addr) // connections are accepted in their order
	if _, err := other.Read(make([]byte, 1)); err == nil {
		t.Error("the second connection was served")
	}
}

func TestClientOf(t *testing.T) {
	l := newClientLimit(nil)
	nc, other := net.Pipe()
	defer nc.Close()
	defer other.Close()
	if l.admit(nc, false) != nc {
		t.Error("connections count without a limit")
	}
	l.set(&config.Config{
		Limits: config.Limits{ConnectionsPerClient: 1}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	})
	for address, want := range map[string]string{
		"1.2.3.4:5": "1.2.3.4/32", "[::ffff:1.2.3.4]:5": "1.2.3.4/32", "[2001:db8::1]:5": "2001:db8::/64",
		"[2001:db8:1:2:3:4:5:6]:7": "2001:db8:1:2::/64", "[fe80::1%eth0]:5": "fe80::/64", "10.1.2.3:5": "", "[::ffff:10.1.2.3]:5": "",
	} {
		ap := netip.MustParseAddrPort(address)
		got, ok := l.clientOf(net.TCPAddrFromAddrPort(ap))
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s counts for %v %v, want %q", address, got, ok, want)
		}
	}
}
