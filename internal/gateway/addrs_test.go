package gateway

import "net"

// Addrs returns the addresses that are open, in the order of the configuration.
func (g *Gateway) Addrs() (all []net.Addr) {
	for _, l := range g.listeners() {
		all = append(all, l.socket.Addr())
	}
	return all
}
