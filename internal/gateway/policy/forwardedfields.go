package policy

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// origin is how a request reached the outermost proxy.
type origin struct {
	client netip.Addr
	proto  string // http or https
	host   string // with the port that the client used, if any
	port   string // "" when no proxy reported it
}

// reported is what one family of fields says about the origin of a request.
type reported struct {
	present           bool
	client            netip.Addr // the nearest address that is not a trusted proxy; invalid when the family has no addresses
	distance          int        // addresses between the peer and the client
	proto, host, port string     // "" when missing or invalid
	hops              hops
}

func (r reported) hasHops() bool { return r.client.IsValid() }

// readXForwarded reads X-Forwarded-For, -Proto, -Host and -Port.
func readXForwarded(peer netip.Addr, h http.Header, trusted []netip.Prefix) (r reported) {
	lists := h["X-Forwarded-For"]
	proto, host, port := h.Get("X-Forwarded-Proto"), h.Get("X-Forwarded-Host"), h.Get("X-Forwarded-Port")
	if proto == "" && strings.EqualFold(h.Get("X-Forwarded-Ssl"), "on") {
		proto = "https"
	}
	r.present = len(lists) > 0 || proto != "" || host != "" || port != ""
	if !r.present {
		return r
	}
	r.proto, r.host, r.port = schemeOf(proto), host, portOf(port)
	r.hops.text = strings.Join(lists, ", ")
	if strings.Trim(r.hops.text, " \t") != "" {
		for entry := range strings.SplitSeq(r.hops.text, ",") {
			r.hops.addrs = append(r.hops.addrs, hopOf(strings.TrimSpace(entry)))
		}
		r.client, r.distance = nearestUntrusted(peer, r.hops.addrs, trusted)
	}
	return r
}

// readForwarded reads Forwarded (RFC 7239 section 4). A malformed field is ignored as a whole.
func readForwarded(peer netip.Addr, h http.Header, trusted []netip.Prefix) (r reported) {
	lists := h["Forwarded"]
	if len(lists) == 0 {
		return r
	}
	text := strings.Join(lists, ", ")
	elements, ok := parseForwarded(text)
	if !ok || len(elements) == 0 {
		return r
	}
	r.present, r.hops.elements = true, text
	for _, e := range elements {
		r.hops.addrs = append(r.hops.addrs, hopOf(e["for"]))
	}
	r.client, r.distance = nearestUntrusted(peer, r.hops.addrs, trusted)
	// The element of the client describes the request of the client. Elements to the left of it prove nothing.
	i := len(elements) - max(r.distance, 1)
	r.proto, r.host = schemeOf(elements[i]["proto"]), elements[i]["host"]
	if _, port, err := net.SplitHostPort(r.host); err == nil {
		r.port = portOf(port)
	}
	return r
}

// nearestUntrusted returns the client of a request: the rightmost address that is not a trusted proxy, because a trusted
// proxy has seen that address. distance is its place from the right, from 1; 0 is the peer.
func nearestUntrusted(peer netip.Addr, addrs []netip.Addr, trusted []netip.Prefix) (client netip.Addr, distance int) {
	client = peer
	for i := len(addrs) - 1; i >= 0; i-- {
		if !addrs[i].IsValid() {
			break // entries to the left of an invalid one prove nothing
		}
		client, distance = addrs[i], len(addrs)-i
		if !contains(trusted, client) {
			break
		}
	}
	return client, distance
}

// hops are the addresses that a family reports, and their text in the form of that family.
type hops struct {
	addrs    []netip.Addr // invalid for unknown and obfuscated ones
	text     string       // of X-Forwarded-For
	elements string       // of Forwarded
}

// join returns the hops in both forms, each ready for the peer to be appended. The element of the client gets scheme and host.
func (p hops) join(client netip.Addr, o *origin) (list, elements string) {
	if len(p.addrs) == 0 {
		return "", ""
	}
	list, elements = p.text, p.elements
	if list == "" {
		texts := make([]string, len(p.addrs))
		for i, a := range p.addrs {
			texts[i] = hopText(a)
		}
		list = strings.Join(texts, ", ")
	}
	if elements == "" {
		texts := make([]string, len(p.addrs))
		for i, a := range p.addrs {
			texts[i] = "for=" + nodeText(a)
		}
		for i := len(p.addrs) - 1; i >= 0; i-- { // the nearest entry of the client counts
			if p.addrs[i].IsValid() && p.addrs[i] == client {
				texts[i] = element(client, client.String(), o.proto, o.host)
				break
			}
		}
		elements = strings.Join(texts, ", ")
	}
	return list + ", ", elements + ", "
}

func hopText(a netip.Addr) string {
	if !a.IsValid() {
		return "unknown"
	}
	return a.String()
}

// nodeText returns an address as a node of RFC 7239 section 6.
func nodeText(a netip.Addr) string {
	if a.Is6() {
		return `"[` + a.String() + `]"`
	}
	return hopText(a)
}

// element returns an element of Forwarded.
func element(a netip.Addr, text, proto, host string) string {
	node := text
	switch {
	case !a.IsValid():
		node = "unknown"
	case a.Is6():
		node = `"[` + text + `]"`
	}
	return "for=" + node + ";proto=" + proto + `;host="` + quotable.Replace(host) + `"`
}

var quotable = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// hopOf reads an address. Some proxies add the port, and put an IPv6 address into brackets.
func hopOf(s string) netip.Addr {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().WithZone("")
	}
	if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
		if a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]")); err == nil {
			return a.Unmap().WithZone("")
		}
	}
	return addressOf(s)
}

// schemeOf returns "http" or "https", or "" for any other text.
func schemeOf(s string) string {
	switch {
	case strings.EqualFold(s, "http"):
		return "http"
	case strings.EqualFold(s, "https"):
		return "https"
	}
	return ""
}

// portOf returns a port number as text, or "".
func portOf(s string) string {
	if n, err := strconv.ParseUint(s, 10, 16); err != nil || n == 0 || s[0] == '+' {
		return ""
	}
	return s
}

// maxElements limits the elements of a Forwarded field that are read.
const maxElements = 256

// parseForwarded reads the elements of a Forwarded field: lists of name=value, where a value is a token or a quoted string.
// Names are in lower case. ok is false for a malformed field and for a repeated name within an element.
func parseForwarded(s string) (elements []map[string]string, ok bool) {
	current := map[string]string{}
	for {
		s = strings.TrimLeft(s, " \t")
		if s != "" && s[0] != ',' && s[0] != ';' {
			name, value, rest, ok := cutPair(s)
			if _, twice := current[name]; !ok || twice {
				return nil, false
			}
			current[name], s = value, strings.TrimLeft(rest, " \t")
		}
		if s != "" && s[0] == ';' {
			s = s[1:]
			continue
		}
		if len(current) > 0 {
			if elements = append(elements, current); len(elements) > maxElements {
				return nil, false
			}
			current = map[string]string{}
		}
		if s == "" {
			return elements, true
		}
		if s[0] != ',' {
			return nil, false
		}
		s = s[1:]
	}
}

// cutPair reads name=value from the start of s.
func cutPair(s string) (name, value, rest string, ok bool) {
	name, s, ok = strings.Cut(s, "=")
	if !ok || !isToken(name) || s == "" {
		return "", "", "", false
	}
	name = strings.ToLower(name)
	if s[0] != '"' {
		end := strings.IndexAny(s, ",; \t")
		if end < 0 {
			end = len(s)
		}
		// RFC 7239 wants an IPv6 address quoted. Some proxies do not quote it.
		return name, s[:end], s[end:], end > 0 && !strings.ContainsAny(s[:end], `"\=`)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return name, b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", "", false
}

// isToken reports whether s is a token (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	})
}
