package console

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"testing"
)

// The kernel lists a socket of IPv6 that is connected to an address of IPv4 with its mapped address.
func TestSocketNames(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the names are those of a little-endian machine")
	}
	for _, c := range []struct {
		address string
		as6     bool
		want    string
	}{
		{"127.0.0.1:8080", false, "0100007F:1F90"},
		{"127.0.0.1:8080", true, "0000000000000000FFFF00000100007F:1F90"},
		{"[::1]:80", true, "00000000000000000000000001000000:0050"},
	} {
		if got := socketName(netip.MustParseAddrPort(c.address), c.as6); got != c.want {
			t.Errorf("%s: %s, want %s", c.address, got, c.want)
		}
	}
}

// The kernel gives the sockets that no process has open any more to root. A client that sends a request and closes its end at
// once must not count as root.
func TestAClosedSocketBelongsToNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	here, there := netip.MustParseAddrPort(server.LocalAddr().String()), netip.MustParseAddrPort(server.RemoteAddr().String())
	if uid, found := socketUser("/proc/net/tcp", there, here); !found || uid != os.Getuid() {
		t.Errorf("an open socket belongs to %d, %v; want %d", uid, found, os.Getuid())
	}
	client.(*net.TCPConn).CloseWrite() // as nc does at the end of its input
	if uid, found := socketUser("/proc/net/tcp", there, here); !found || uid != os.Getuid() {
		t.Errorf("a half-closed socket belongs to %d, %v; want %d", uid, found, os.Getuid())
	}
	client.Close()
	if uid, found := socketUser("/proc/net/tcp", there, here); found {
		t.Errorf("a closed socket belongs to %d", uid)
	}
}
