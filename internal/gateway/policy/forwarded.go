package policy

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// Forwarded determines the client of a request. It reports the client to the service in X-Forwarded-For,
// X-Forwarded-Proto, X-Forwarded-Host, X-Real-IP and Forwarded (RFC 7239). It accepts these fields from peers in the
// trusted prefixes only, and removes them from the requests of all other peers. secure says whether peers connect over
// TLS. The request does not tell: over HTTP/2, the client chooses the scheme.
func Forwarded(trusted []netip.Prefix, secure bool) Policy {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x := exchange.From(r)
			peer, h := x.Client, r.Header
			isTrusted := contains(trusted, peer)
			for _, name := range overrideHeaders {
				delete(h, name)
			}
			if !isTrusted {
				dropForwarded(h)
			}
			client, chain := clientOf(peer, h["X-Forwarded-For"], trusted, isTrusted)
			proto := scheme
			if p := h.Get("X-Forwarded-Proto"); isTrusted && (p == "http" || p == "https") {
				proto = p
			}
			host := r.Host
			if v := h.Get("X-Forwarded-Host"); isTrusted && v != "" {
				host = v
			}
			x.Client, x.Secure = client, proto == "https"
			peerText := textOf(peer, r.RemoteAddr)
			clientText := peerText
			if client != peer {
				clientText = client.String()
			}
			values := [...]string{
				chain + peerText, proto, host, clientText, forwarded(h["Forwarded"], peer, peerText, proto, r.Host),
			}
			h["X-Forwarded-For"] = values[0:1:1] // one allocation instead of five
			h["X-Forwarded-Proto"] = values[1:2:2]
			h["X-Forwarded-Host"] = values[2:3:3]
			h["X-Real-Ip"] = values[3:4:4]
			h["Forwarded"] = values[4:5:5]
			if !peer.IsValid() { // the PROXY protocol knows clients without an IP address
				delete(h, "X-Forwarded-For")
				delete(h, "X-Real-Ip")
			}
			next.ServeHTTP(w, r)
		})
	}
}

// overrideHeaders make some services see another URL or method than the one that was routed. They are removed from all
// requests: no proxy needs to send them, and a trusted proxy passes on the fields of its clients.
var overrideHeaders = []string{
	"X-Original-Url", "X-Rewrite-Url", "X-Http-Method-Override", "X-Http-Method", "X-Method-Override",
}

// dropForwarded removes the fields that only a proxy may send. It also removes them in the spelling with underscores,
// which a CGI-like server reads as the same name.
func dropForwarded(h http.Header) {
	for name := range h {
		read := name // as a CGI-like server reads it
		if strings.IndexByte(name, '_') >= 0 {
			read = http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
		}
		if isForwarded(read) {
			delete(h, name)
		}
	}
}

// isForwarded reports whether a proxy describes the client of a request in this field.
func isForwarded(name string) bool {
	switch name {
	case "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix",
		"X-Forwarded-Server", "X-Forwarded-Ssl", "X-Real-Ip", "Forwarded":
		return true
	}
	return slices.Contains(overrideHeaders, name) // with underscores
}

// clientOf returns the client of a request: the rightmost address in X-Forwarded-For that is not a trusted proxy,
// because a trusted proxy has seen that address. It also returns the list to which the address of the peer is
// appended.
func clientOf(peer netip.Addr, lists []string, trusted []netip.Prefix, isTrusted bool) (_ netip.Addr, chain string) {
	client := peer
	if !isTrusted || len(lists) == 0 {
		return client, ""
	}
	chain = strings.Join(lists, ", ")
	hops := strings.Split(chain, ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop := hopOf(strings.TrimSpace(hops[i]))
		if !hop.IsValid() {
			break // entries to the left of an invalid one prove nothing
		}
		client = hop
		if !contains(trusted, client) {
			break
		}
	}
	return client, chain + ", "
}

// hopOf reads an entry of X-Forwarded-For. Some proxies add the port, and put an IPv6 address into brackets.
func hopOf(s string) netip.Addr {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().WithZone("")
	}
	return addressOf(s)
}

// forwarded returns the Forwarded field with an element for the peer.
func forwarded(lists []string, peer netip.Addr, peerText, proto, host string) string {
	before := ""
	if len(lists) > 0 {
		before = strings.Join(lists, ", ") + ", "
	}
	node := peerText
	switch {
	case !peer.IsValid():
		node = "unknown"
	case peer.Is6():
		node = `"[` + peerText + `]"`
	}
	return before + "for=" + node + ";proto=" + proto + `;host="` + quotable.Replace(host) + `"`
}

var quotable = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// textOf returns an address as text: a part of the RemoteAddr that it comes from, where possible, to save an
// allocation.
func textOf(a netip.Addr, remote string) string {
	if a.Is4() && remote[0] != '[' { // "[" begins an IPv4 address in an IPv6 one
		return remote[:strings.LastIndexByte(remote, ':')]
	}
	return a.String()
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
