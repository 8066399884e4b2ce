package config

import (
	"net/netip"
	"slices"
	"strings"
)

// CertificateNames are the hosts of the routes, in their order, by who can issue a certificate for them.
type CertificateNames struct {
	Public    []string // names
	Local     []string // localhost, names below it, also with a wildcard, and loopback addresses
	Wildcards []string // for which an authority wants a challenge by DNS
	Addresses []string // IP addresses that are not loopback ones
}

// CertificateNames returns the hosts of the routes.
func (c *Config) CertificateNames() (n CertificateNames) {
	add := func(list *[]string, name string) {
		if !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	for i := range c.Routes {
		host := strings.Trim(c.Routes[i].Host, "[]")
		addr, err := netip.ParseAddr(host)
		switch {
		case host == "":
		case IsLocalName(host):
			add(&n.Local, host)
		case err == nil:
			add(&n.Addresses, addr.String())
		case strings.HasPrefix(host, "*."):
			add(&n.Wildcards, host)
		default:
			add(&n.Public, host)
		}
	}
	return n
}

// IsLocalName reports whether a name means this machine wherever it is used (RFC 6761): localhost, a name below it, or a
// loopback address.
func IsLocalName(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
}
