package console

import (
	"encoding/binary"
	"net/netip"
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
