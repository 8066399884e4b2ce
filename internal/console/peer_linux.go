package console

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
)

// peerMu lets one request at a time read the list of all sockets, which may be long.
var peerMu sync.Mutex

// isOwn reports whether a request comes from a process of this user, or of root, on this machine. The kernel names the user of
// each socket in /proc/net/tcp and /proc/net/tcp6.
func isOwn(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	here, err := netip.ParseAddrPort(local.String())
	if err != nil {
		return false
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().IsLoopback() {
		return false
	}
	peerMu.Lock()
	defer peerMu.Unlock()
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if uid, found := socketUser(file, peer, here); found {
			return uid == 0 || uid == os.Getuid()
		}
	}
	return false
}

// socketUser returns the user of the open socket with these ends. It does not find one that its process has closed: the kernel
// names root as the user of those, and 0 as their inode.
func socketUser(file string, local, remote netip.AddrPort) (uid int, found bool) {
	f, err := os.Open(file)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	mapped := strings.HasSuffix(file, "6")
	want := socketName(local, mapped) + " " + socketName(remote, mapped) + " "
	for lines := bufio.NewScanner(f); lines.Scan(); {
		_, line, _ := strings.Cut(lines.Text(), ": ")
		if rest, ok := strings.CutPrefix(line, want); ok {
			fields := strings.Fields(rest) // st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
			if len(fields) < 7 || fields[6] == "0" {
				return 0, false
			}
			uid, err := strconv.Atoi(fields[4])
			return uid, err == nil
		}
	}
	return 0, false
}

// socketName is an address as the kernel writes it: 32-bit words in the order of this machine's bytes, in hexadecimal.
func socketName(a netip.AddrPort, as6 bool) string {
	octets := a.Addr().Unmap().AsSlice()
	if as6 {
		whole := a.Addr().As16()
		octets = whole[:]
	}
	var b strings.Builder
	for ; len(octets) >= 4; octets = octets[4:] {
		fmt.Fprintf(&b, "%08X", binary.NativeEndian.Uint32(octets))
	}
	fmt.Fprintf(&b, ":%04X", a.Port())
	return b.String()
}
