package upstream

import (
	"net"
	"net/netip"
	"strings"
)

// endpoint says where a node is.
type endpoint struct {
	network string // for net.Dial: tcp or unix
	address string // host:port, or the path of a socket
	name    string // the host, if it has to be resolved; "" for an IP address and for a socket
	secure  bool   // the node speaks TLS
}

// parseEndpoint reads the address of a node, which the configuration has checked: host:port, https://host:port or
// unix:/path.
func parseEndpoint(address string) endpoint {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return endpoint{network: "unix", address: path}
	}
	e := endpoint{network: "tcp"}
	e.address, e.secure = strings.CutPrefix(address, "https://")
	host := e.hostname()
	if _, err := netip.ParseAddr(host); err != nil {
		e.name = host
	}
	return e
}

// hostname returns the host without its port.
func (e endpoint) hostname() string {
	host, _, err := net.SplitHostPort(e.address)
	if err != nil {
		return e.address
	}
	return host
}

// authority returns the value of the Host field in probes.
func (e endpoint) authority() string {
	if e.network == "unix" {
		return "localhost"
	}
	if e.secure {
		return strings.TrimSuffix(e.address, ":443")
	}
	return e.address
}
