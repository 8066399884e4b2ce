package policy

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// Forwarded settles who the client is, and tells the service in X-Forwarded-For, -Proto and -Host, X-Real-IP and
// Forwarded (RFC 7239). What a peer says of others is believed only from the trusted prefixes; from anybody else those
// fields are removed. secure says that the peers come over TLS; it is not for them to say, as they could in HTTP/2.
func Forwarded(trusted []netip.Prefix, secure bool) Policy {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := exchange.From(r)
			peer, h := rec.Client, r.Header
			believed := contains(trusted, peer)
			for _, name := range disguises {
				delete(h, name)
			}
			if !believed {
				dropHearsay(h)
			}
			client, chain := clientOf(peer, h["X-Forwarded-For"], trusted, believed)
			proto := scheme
			if p := h.Get("X-Forwarded-Proto"); believed && (p == "http" || p == "https") {
				proto = p
			}
			host := r.Host
			if v := h.Get("X-Forwarded-Host"); believed && v != "" {
				host = v
			}
			rec.Client, rec.Secure = client, proto == "https"
			peerText := textOf(peer, r.RemoteAddr)
			clientText := peerText
			if client != peer {
				clientText = client.String()
			}
			values := [...]string{chain + peerText, proto, host, clientText, forwarded(h["Forwarded"], peer, peerText, proto, r.Host)}
			h["X-Forwarded-For"] = values[0:1:1] // one allocation instead of five
			h["X-Forwarded-Proto"] = values[1:2:2]
			h["X-Forwarded-Host"] = values[2:3:3]
			h["X-Real-Ip"] = values[3:4:4]
			h["Forwarded"] = values[4:5:5]
			if !peer.IsValid() { // PROXY protocol knows clients without an IP address
				delete(h, "X-Forwarded-For")
				delete(h, "X-Real-Ip")
			}
			next.ServeHTTP(w, r)
		})
	}
}

// dropHearsay removes what only a proxy may say, also in the spelling that a CGI-like server cannot tell from it.
func dropHearsay(h http.Header) {
	for name := range h {
		if hearsay(name) || strings.IndexByte(name, '_') >= 0 && hearsay(http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))) {
			delete(h, name)
		}
	}
}

// disguises are fields that make some services see another URL or another method than the one that was routed. No proxy has
// to send them, and those that are trusted pass on what came from their clients.
var disguises = []string{"X-Original-Url", "X-Rewrite-Url", "X-Http-Method-Override", "X-Http-Method", "X-Method-Override"}

// hearsay are the fields in which a proxy speaks for a client.
func hearsay(name string) bool {
	switch name {
	case "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix",
		"X-Forwarded-Server", "X-Forwarded-Ssl", "X-Real-Ip", "Forwarded":
		return true
	}
	return slices.Contains(disguises, name) // in another spelling
}

// clientOf walks X-Forwarded-For from the right, over the proxies that are trusted, to the first address that is not:
// that one was seen by somebody we believe. It also returns the list to append the peer to.
func clientOf(peer netip.Addr, lists []string, trusted []netip.Prefix, believed bool) (client netip.Addr, chain string) {
	client = peer
	if !believed || len(lists) == 0 {
		return client, ""
	}
	chain = strings.Join(lists, ", ")
	hops := strings.Split(chain, ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop := hopOf(strings.TrimSpace(hops[i]))
		if !hop.IsValid() {
			break // what stands left of nonsense is worth nothing
		}
		client = hop
		if !contains(trusted, client) {
			break
		}
	}
	return client, chain + ", "
}

// hopOf reads an entry of X-Forwarded-For. Some proxies add the port, and then brackets to an IPv6 address.
func hopOf(s string) netip.Addr {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().WithZone("")
	}
	return addressOf(s)
}

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

// addressOf is the address of "address:port"; the zero Addr when it is none. A zone means something on this machine only.
func addressOf(remote string) netip.Addr {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// textOf writes an address, if it can as a part of the RemoteAddr that it comes from.
func textOf(a netip.Addr, remote string) string {
	if a.Is4() && remote[0] != '[' { // and not an IPv4 address in an IPv6 one
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
