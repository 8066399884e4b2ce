package redistest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"testing"
)

// FreeAddr returns an address of 127.0.0.1 that no process listens on. Its port is below those that the system gives to
// outgoing connections. Otherwise an outgoing connection could take the port while a test has its server down, and a
// client that dials the port could even connect to itself.
func FreeAddr(t testing.TB) string {
	t.Helper()
	const low = 12_000
	high := firstOutgoingPort()
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", low+rand.IntN(high-low)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatalf("no free port from %d to %d on 127.0.0.1", low, high-1)
	return ""
}

// firstOutgoingPort returns the lowest port of outgoing connections, or a common value if the system does not tell.
func firstOutgoingPort() int {
	var first int
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if _, scanErr := fmt.Sscan(string(text), &first); err != nil || scanErr != nil || first < 13_000 {
		return 32_768
	}
	return first
}
