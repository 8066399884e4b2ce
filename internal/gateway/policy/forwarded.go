package policy

import (
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// ForwardedOptions tune Forwarded. The zero value trusts no peer.
type ForwardedOptions struct {
	Trusted []netip.Prefix         // peers whose fields are read
	Read    config.ForwardedFields // which family of fields is read from them; default: the one that is present
	Write   config.ForwardedFields // which family the service gets; default: both
	Log     *slog.Logger           // contradictions of trusted proxies; default: discard
}

// Forwarded determines the client of a request, its scheme, host and port, once, and reports them to the service in both
// families of fields: X-Forwarded-For, -Proto, -Host, -Port and X-Real-IP, and Forwarded (RFC 7239). It accepts these fields
// from trusted peers only, and removes them from the requests of all other peers.
//
// When a trusted peer sends both families and they differ, the nearer untrusted address and the scheme http win.
func Forwarded(o ForwardedOptions) Policy {
	f := &forwarder{ForwardedOptions: o}
	if f.Log == nil {
		f.Log = slog.New(slog.DiscardHandler)
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f.rewrite(r)
			next.ServeHTTP(w, r)
		})
	}
}

type forwarder struct {
	ForwardedOptions
	noted atomic.Int64 // time of the last note on a contradiction, in seconds
}

// rewrite replaces the fields of the request and completes its exchange.
func (f *forwarder) rewrite(r *http.Request) {
	x, h := exchange.From(r), r.Header
	for _, name := range overrideHeaders {
		delete(h, name)
	}
	o := origin{client: x.Client, host: r.Host, proto: "http"}
	if r.TLS != nil { // not r.URL.Scheme: over HTTP/2, the client chooses it
		o.proto = "https"
	}
	list, elements := "", "" // X-Forwarded-For and Forwarded up to the peer
	if contains(f.Trusted, x.Client) {
		list, elements = f.read(x.Client, h, &o)
	} else {
		dropForwarded(h)
	}
	f.write(r, x.Client, o, list, elements)
	x.Client, x.Secure = o.client, o.proto == "https"
}

// read completes o with the fields of a trusted peer. It returns the lists to which the peer is appended, in the form of
// X-Forwarded-For and of Forwarded.
func (f *forwarder) read(peer netip.Addr, h http.Header, o *origin) (list, elements string) {
	legacy, standard := readXForwarded(peer, h, f.Trusted), readForwarded(peer, h, f.Trusted)
	for _, name := range schemeSynonyms {
		delete(h, name)
	}
	switch {
	case f.Read == config.ForwardedX:
		standard = reported{}
	case f.Read == config.ForwardedStandard:
		legacy = reported{}
	}
	used := legacy
	switch {
	case !legacy.present && !standard.present:
		return "", ""
	case !legacy.present:
		used = standard
	case standard.present:
		used = f.resolve(legacy, standard)
	}
	if used.client.IsValid() {
		o.client = used.client
	}
	o.proto, o.port = firstOf(used.proto, o.proto), used.port
	o.host = firstOf(used.host, o.host)
	return used.hops.join(used.client, o)
}

// resolve returns what is used when a proxy sends both families.
func (f *forwarder) resolve(legacy, standard reported) reported {
	used := legacy
	if standard.hasHops() && (!legacy.hasHops() || standard.distance < legacy.distance) {
		used.client, used.hops, used.distance = standard.client, standard.hops, standard.distance
	}
	if slices.Equal(legacy.hops.addrs, standard.hops.addrs) {
		used.hops.elements = standard.hops.elements // keep what else the elements say
	}
	differ := legacy.hasHops() && standard.hasHops() && legacy.client != standard.client
	used.proto = firstOf(legacy.proto, standard.proto)
	if legacy.proto != "" && standard.proto != "" && legacy.proto != standard.proto {
		used.proto, differ = "http", true
	}
	used.host, used.port = firstOf(legacy.host, standard.host), firstOf(legacy.port, standard.port)
	if legacy.host != "" && standard.host != "" && !strings.EqualFold(legacy.host, standard.host) {
		differ = true
	}
	if now := time.Now().Unix(); differ && now-f.noted.Load() >= 60 {
		f.noted.Store(now)
		f.Log.Warn("a trusted proxy sends X-Forwarded-* and Forwarded with different values: the nearer address and http are used; "+
			"name the right family in forwarded.read", "x_forwarded_client", legacy.client.String(), "forwarded_client", standard.client.String())
	}
	return used
}

// write sets the fields for the service.
func (f *forwarder) write(r *http.Request, peer netip.Addr, o origin, list, elements string) {
	h := r.Header
	peerText := textOf(peer, r.RemoteAddr)
	clientText := peerText
	if o.client != peer {
		clientText = o.client.String()
	}
	values := [...]string{list + peerText, o.proto, o.host, clientText, "", o.port}
	if f.Write != config.ForwardedX {
		values[4] = elements + element(peer, peerText, o.proto, o.host)
		h["Forwarded"] = values[4:5:5] // one allocation for all values
	} else {
		delete(h, "Forwarded")
	}
	if f.Write == config.ForwardedStandard {
		for _, name := range xForwarded {
			delete(h, name)
		}
		return
	}
	if h["X-Forwarded-Ssl"] != nil {
		h["X-Forwarded-Ssl"] = []string{map[bool]string{true: "on", false: "off"}[o.proto == "https"]}
	}
	h["X-Forwarded-For"] = values[0:1:1]
	h["X-Forwarded-Proto"] = values[1:2:2]
	h["X-Forwarded-Host"] = values[2:3:3]
	h["X-Real-Ip"] = values[3:4:4]
	if o.port != "" {
		h["X-Forwarded-Port"] = values[5:6:6]
	} else {
		delete(h, "X-Forwarded-Port")
	}
	if !peer.IsValid() { // the PROXY protocol knows clients without an IP address
		delete(h, "X-Forwarded-For")
		delete(h, "X-Real-Ip")
	}
}

// overrideHeaders make some services see another URL or method than the one that was routed. They are removed from all
// requests: no proxy needs to send them, and a trusted proxy passes on the fields of its clients.
var overrideHeaders = []string{
	"X-Original-Url", "X-Rewrite-Url", "X-Http-Method-Override", "X-Http-Method", "X-Method-Override",
}

// schemeSynonyms are other names of X-Forwarded-Proto. They are removed, so that they cannot contradict it.
var schemeSynonyms = []string{"X-Forwarded-Scheme", "X-Forwarded-Protocol", "X-Url-Scheme", "Front-End-Https"}

// xForwarded are the fields of the family X-Forwarded-*.
var xForwarded = []string{
	"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix",
	"X-Forwarded-Server", "X-Forwarded-Ssl", "X-Real-Ip",
}

// dropForwarded removes the fields that only a proxy may send. It also removes them in the spelling with underscores,
// which a CGI-like server reads as the same name.
func dropForwarded(h http.Header) {
	for name := range h {
		read := name // as a CGI-like server reads it
		if strings.IndexByte(name, '_') >= 0 {
			read = asCGI(name)
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
		"X-Forwarded-Server", "X-Forwarded-Ssl", "X-Real-Ip", "Forwarded",
		"X-Forwarded-Scheme", "X-Forwarded-Protocol", "X-Url-Scheme", "Front-End-Https", // other names of X-Forwarded-Proto
		"X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip": // other names of X-Real-Ip
		return true
	}
	return slices.Contains(overrideHeaders, name) // with underscores
}

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

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
