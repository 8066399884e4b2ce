package policy

import (
	"net/http"
	"net/netip"
	"strings"
)

// Forwarded settles who the client is, and tells the service in X-Forwarded-For, -Proto and -Host, X-Real-IP and
// Forwarded (RFC 7239). What a peer says of others is believed only from the trusted prefixes; from anybody else those
// fields are removed.
func Forwarded(trusted []netip.Prefix) Policy {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			peer := addressOf(r.RemoteAddr)
			h := r.Header
			believed := contains(trusted, peer)
			if !believed {
				for _, name := range hearsay {
					delete(h, name)
				}
			}
			client, chain := clientOf(peer, h["X-Forwarded-For"], trusted, believed)
			proto := "http"
			if r.TLS != nil {
				proto = "https"
			}
			if p := h.Get("X-Forwarded-Proto"); believed && (p == "http" || p == "https") {
				proto = p
			}
			host := r.Host
			if v := h.Get("X-Forwarded-Host"); believed && v != "" {
				host = v
			}
			if rec := RecordOf(r); rec != nil {
				rec.Client, rec.Secure = client, proto == "https"
			}
			peerText := peer.String()
			h["X-Forwarded-For"] = []string{chain + peerText}
			h["X-Forwarded-Proto"] = []string{proto}
			h["X-Forwarded-Host"] = []string{host}
			h["X-Real-Ip"] = []string{client.String()}
			h["Forwarded"] = []string{forwarded(h["Forwarded"], peer, peerText, proto, r.Host)}
			next.ServeHTTP(w, r)
		})
	}
}

// hearsay are the fields in which a proxy speaks for a client, and those with which a client could make a service see
// another URL than the one that was routed.
var hearsay = []string{
	"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix",
	"X-Forwarded-Server", "X-Forwarded-Ssl", "X-Real-Ip", "Forwarded", "X-Original-Url", "X-Rewrite-Url",
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
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break // what stands left of nonsense is worth nothing
		}
		client = hop.Unmap()
		if !contains(trusted, client) {
			break
		}
	}
	return client, chain + ", "
}

func forwarded(lists []string, peer netip.Addr, peerText, proto, host string) string {
	var b strings.Builder
	for _, l := range lists {
		b.WriteString(l)
		b.WriteString(", ")
	}
	b.WriteString("for=")
	if peer.Is6() {
		b.WriteString(`"[` + peerText + `]"`)
	} else {
		b.WriteString(peerText)
	}
	b.WriteString(";proto=" + proto + `;host="`)
	b.WriteString(quotable.Replace(host))
	b.WriteString(`"`)
	return b.String()
}

var quotable = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func addressOf(remote string) netip.Addr {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		return ap.Addr().Unmap()
	}
	return netip.Addr{}
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
