package config

import (
	"net"
	"slices"
	"strings"
)

// Listener is an address of Config.Listen with the protocol that it speaks.
type Listener struct {
	Address  string // host:port, without a scheme
	TLS      bool
	Redirect bool // its requests are redirected to https
	Optional bool // not in the file: it redirects port 80, if that port can be opened
}

const (
	plainPort  = "80"
	securePort = "443"
)

// Listeners returns the listeners of the gateway. An address with https:// speaks TLS, and one with http:// does not. A
// bare address speaks TLS if there are certificates, except on port 80.
//
// With TLS.Redirect, plain listeners on port 80 redirect if a listener speaks TLS on port 443. Such a listener is added for
// each address with port 443 that has none.
func (c *Config) Listeners() (all []Listener) {
	var secure []string // hosts of TLS listeners on port 443
	for _, s := range c.Listen {
		l := c.listener(s)
		if host, port, _ := net.SplitHostPort(l.Address); l.TLS && port == securePort {
			secure = append(secure, host)
		}
		all = append(all, l)
	}
	if c.TLS == nil || !c.TLS.Redirect {
		return all
	}
	for i, l := range all {
		_, port, _ := net.SplitHostPort(l.Address)
		all[i].Redirect = !l.TLS && port == plainPort && len(secure) > 0
	}
	for _, host := range secure {
		address := net.JoinHostPort(host, plainPort)
		taken := func(l Listener) bool { return overlap(l.Address, address) }
		if !slices.ContainsFunc(all, taken) && !(c.Admin.fixed() && overlap(c.Admin.Listen, address)) {
			all = append(all, Listener{Address: address, Redirect: true, Optional: true})
		}
	}
	return all
}

func (c *Config) listener(s string) Listener {
	scheme, address := cutScheme(s)
	_, port, _ := net.SplitHostPort(address)
	return Listener{Address: address, TLS: scheme == tlsScheme || scheme == "" && c.TLS != nil && port != plainPort}
}

// cutScheme separates http:// or https:// from an address.
func cutScheme(s string) (scheme, address string) {
	for _, scheme := range []string{tlsScheme, plainScheme} {
		if address, ok := strings.CutPrefix(s, scheme); ok {
			return scheme, address
		}
	}
	return "", s
}
