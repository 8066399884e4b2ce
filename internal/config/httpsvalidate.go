package config

import (
	"crypto/x509"
	"net"
	"slices"
	"strings"
	"time"
)

// schemes checks that listeners speak TLS where certificates exist, and only there.
func (v *validation) schemes(c *Config) {
	secure := false
	for i, s := range c.Listen {
		l := c.listener(s)
		secure = secure || l.TLS
		if l.TLS && c.TLS == nil {
			v.problem(at("listen", i), "tls: auto orders certificates for the hosts of the routes; tls: {cert: shop.crt, key: shop.key} names files",
				"%s needs a certificate, and tls is off", quote(s))
		}
	}
	if c.TLS != nil && !secure && len(c.Listen) > 0 {
		v.problem("tls", "listen: :443, or listen: [\"http://:80\", \"https://:443\"]", "no address of listen speaks TLS")
	}
}

// certificates checks that each host of the routes can have a certificate.
func (v *validation) certificates(c *Config) {
	if c.TLS.Storage == StorageInStore && c.Store == "none" {
		v.problem("tls.storage", "store: redis://10.0.0.5:6379, or a directory: tls: {storage: /var/lib/tenfold}", "there is no store to keep certificates in")
	}
	if c.TLS.Auto == AutoOff || v.broken("routes") || v.broken("tls") || len(c.Routes) == 0 {
		return
	}
	names := c.CertificateNames()
	covered := coverage(c.TLS.Pairs())
	if c.TLS.Auto == AutoLocal {
		v.localNames(names, covered)
		return
	}
	if len(names.Public)+len(names.Local)+len(names.Wildcards)+len(names.Addresses) == 0 {
		v.problem("tls.auto", "name the host of a route: routes: [{host: shop.example, path: /, to: "+c.Routes[0].To+"}]; for development, tls: local",
			"no route names a host, so there is no name to order a certificate for")
	}
	for _, name := range uncovered(names.Wildcards, covered) {
		v.problem("tls.auto", "write a route for each name, or add the certificate of the wildcard: "+
			"tls: {auto: on, certificates: [{cert: wildcard.crt, key: wildcard.key}]}",
			"%s is a wildcard: authorities issue its certificate only after a challenge by DNS, which tenfold does not have", quote(name))
	}
}

func (v *validation) localNames(names CertificateNames, covered func(string) bool) {
	for _, name := range uncovered(slices.Concat(names.Public, names.Wildcards, names.Addresses), covered) {
		v.problem("tls.auto", "tls: auto orders a certificate that every client accepts; or add a certificate file for it",
			"the local authority makes certificates for localhost, names below it and loopback addresses only, not for %s", quote(name))
	}
}

func uncovered(names []string, covered func(string) bool) (all []string) {
	for _, name := range names {
		if !covered(name) {
			all = append(all, name)
		}
	}
	return all
}

// coverage returns a function that reports whether one of the certificates is for the host of a route, which may be a
// wildcard. Files that cannot be read cover nothing: they are another problem.
func coverage(pairs []KeyPair) func(host string) bool {
	leaves := leavesOf(pairs)
	return func(host string) bool {
		return slices.ContainsFunc(leaves, func(leaf *x509.Certificate) bool { return covers(leaf, host) })
	}
}

func leavesOf(pairs []KeyPair) (all []*x509.Certificate) {
	for _, p := range pairs {
		if cert, err := p.Load(); err == nil {
			all = append(all, cert.Leaf)
		}
	}
	return all
}

func covers(leaf *x509.Certificate, host string) bool {
	if strings.HasPrefix(host, "*.") {
		return slices.ContainsFunc(leaf.DNSNames, func(name string) bool { return strings.EqualFold(name, host) })
	}
	return leaf.VerifyHostname(host) == nil
}

// tls adds notes on certificates.
func (n *notes) tls(c *Config, now time.Time) {
	names := c.CertificateNames()
	for i, p := range c.TLS.Certificates {
		n.keyPair(at("tls.certificates", i), p, now)
	}
	if c.TLS.Cert != "" {
		n.keyPair("tls.cert", KeyPair{c.TLS.Cert, c.TLS.Key}, now)
	}
	covered := coverage(c.TLS.Pairs())
	switch c.TLS.Auto {
	case AutoOff:
		for _, host := range uncovered(slices.Concat(names.Public, names.Wildcards, names.Local, names.Addresses), covered) {
			n.add("tls", "add a certificate for it to tls.certificates, or tls: auto", "no certificate is for %s, the host of a route", quote(host))
		}
	case AutoOn:
		n.auto(c, names, covered)
	}
	if c.TLS.HSTS > 0 && c.TLS.HSTS < 5*time.Minute {
		n.add("tls.hsts", "on is a year", "%s is so short that it protects almost no visitor", printHSTS(c.TLS.HSTS))
	}
}

// expirySoon is how long before its end a certificate in a file is a note.
const expirySoon = 14 * day

func (n *notes) keyPair(path string, p KeyPair, now time.Time) {
	cert, err := p.Load()
	if err != nil {
		return // a problem, unless the file has changed just now
	}
	switch leaf := cert.Leaf; {
	case now.After(leaf.NotAfter):
		n.add(path, "renew it", "the certificate has expired: %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		n.add(path, "is the clock of this machine right?", "the certificate is not valid before %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	case leaf.NotAfter.Sub(now) < min(expirySoon, leaf.NotAfter.Sub(leaf.NotBefore)/6):
		n.add(path, "renew it", "the certificate expires soon: %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	case len(leaf.DNSNames)+len(leaf.IPAddresses) == 0:
		n.add(path, "issue it with subject alternative names", "the certificate has no subject alternative name: clients accept it for no host")
	}
}

// auto adds the notes on hosts for which no authority issues a certificate, and on ports that the authority does not reach.
func (n *notes) auto(c *Config, names CertificateNames, covered func(string) bool) {
	for _, address := range uncovered(names.Addresses, covered) {
		n.add("tls.auto", "name the host of the route, or add a certificate file for the address", "no certificate is ordered for the address %s", quote(address))
	}
	if c.TLS.Storage == StorageInStore && c.Store == "auto" {
		n.add("tls.storage", "store: redis://10.0.0.5:6379 is a store that gateways share and that keeps its data",
			"the private store of one machine is shared with no other gateway, and its data is lost when tenfold ends")
	}
	ordered := uncovered(names.Public, covered)
	for _, name := range ordered {
		if c.TLS.ACME.Directory == LetsEncrypt && !isPublicName(name) {
			n.add("tls.auto", "for names of an own network, name its authority: acme: {directory: \"https://ca.internal/acme/directory\"}",
				"a public authority issues no certificate for %s", quote(name))
		}
	}
	if len(ordered) > 0 && !slices.ContainsFunc(c.Listeners(), Listener.answersChallenges) {
		n.add("listen", "forward port 80 or 443 of each name to tenfold, or listen on :443",
			"the authority connects to port 80 or 443 of each name, and tenfold listens on neither")
	}
}

// answersChallenges reports whether an authority can reach the listener without a port that is forwarded.
func (l Listener) answersChallenges() bool {
	_, port, _ := net.SplitHostPort(l.Address)
	return l.TLS && port == securePort || !l.TLS && port == plainPort
}

// reservedDomains have no public names (RFC 2606, RFC 6761, RFC 6762, RFC 8375, and ICANN's reservation of internal).
var reservedDomains = []string{"test", "example", "invalid", "local", "internal", "lan", "home.arpa", "onion"}

func isPublicName(name string) bool {
	return strings.Contains(name, ".") && !strings.Contains(name, "_") &&
		!slices.ContainsFunc(reservedDomains, func(d string) bool { return strings.HasSuffix(name, "."+d) })
}
