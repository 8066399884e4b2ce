package policy

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

var trustedNets = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

// FuzzClientOf checks the client that X-Forwarded-For yields. The client is the peer or an address of the list. All
// addresses to the right of it are trusted. The list of a peer that is not trusted is ignored, and any other list
// stays unchanged.
func FuzzClientOf(f *testing.F) {
	for _, s := range []string{"", ",", "1.2.3.4", "6.6.6.6, 1.2.3.4, 10.0.0.1", "unknown, 10.0.0.1", "[2001:db8::1]:80, fd00::1", "::ffff:10.0.0.1", "fe80::1%eth0", "1.2.3.4:80", "1.2.3.4\t, 10.0.0.1 "} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, list string, believed bool) {
		peer := netip.MustParseAddr("10.1.1.1")
		if !believed {
			peer = netip.MustParseAddr("1.1.1.1")
		}
		client, chain := clientOf(peer, []string{list}, trustedNets, believed)
		if !believed {
			if client != peer || chain != "" {
				t.Errorf("a peer that is not trusted became %v with %q", client, chain)
			}
			return
		}
		if chain != list+", " {
			t.Errorf("%q became %q", list, chain)
		}
		if !client.IsValid() || client.Zone() != "" || client.Is4In6() {
			t.Fatalf("%q: client %v", list, client)
		}
		if client == peer {
			return
		}
		hops := strings.Split(list, ",")
		for i := len(hops) - 1; ; i-- {
			if i < 0 {
				t.Fatalf("%q: client %v is not on the list", list, client)
			}
			hop := hopOf(strings.TrimSpace(hops[i]))
			if hop == client {
				return
			}
			if !contains(trustedNets, hop) {
				t.Fatalf("%q: client %v is behind %v, which is not trusted", list, client, hop)
			}
		}
	})
}

// FuzzForwarded sends arbitrary names and values through the policy. The resulting fields are valid in a header, and
// they describe the client as the connection does, not as the request does.
func FuzzForwarded(f *testing.F) {
	f.Add("shop.example", "X-Forwarded-For", "6.6.6.6")
	f.Add(`a";for=6.6.6.6;x="`, "Forwarded", "for=6.6.6.6")
	f.Add("a", "X_real-IP", "6.6.6.6")
	f.Fuzz(func(t *testing.T, host, name, value string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		r.RemoteAddr = "[2001:db8::1%eth0]:80"
		r.Header[http.CanonicalHeaderKey(name)] = []string{value}
		Record()(Forwarded(trustedNets, false)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			h := r.Header
			if h.Get("X-Forwarded-For") != "2001:db8::1" || h.Get("X-Real-Ip") != "2001:db8::1" || h.Get("X-Forwarded-Proto") != "http" {
				t.Errorf("%v", h)
			}
			got := h.Get("Forwarded")
			inner, ok := strings.CutPrefix(got, `for="[2001:db8::1]";proto=http;host="`)
			inner, ok2 := strings.CutSuffix(inner, `"`)
			inner = strings.NewReplacer(`\\`, "", `\"`, "").Replace(inner)
			if !ok || !ok2 || strings.ContainsAny(inner, `"\`) {
				t.Errorf("host %q: %s", host, got)
			}
			for name := range h {
				if isForwarded(http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))) && h.Get(name) == value && value == "6.6.6.6" {
					t.Errorf("%s passed", name)
				}
			}
		}))).ServeHTTP(httptest.NewRecorder(), r)
	})
}
