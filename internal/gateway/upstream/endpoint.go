package upstream

import (
	"net"
	"net/netip"
)

// endpoint says where a node is.
type endpoint struct {
	network string // for net.Dial
	address string // host:port
	name    string // the host, if it has to be resolved; "" for an IP address
}

// parseEndpoint reads the address of a node, which the configuration has checked.
func parseEndpoint(address string) endpoint {
	e := endpoint{network: "tcp", address: address}
	host, _, err := net.SplitHostPort(e.address)
	if _, notIP := netip.ParseAddr(host); err == nil && notIP != nil {
		e.name = host
	}
	return e
}

// host returns the value of the Host field in probes.
func (e endpoint) host() string { return e.address }
