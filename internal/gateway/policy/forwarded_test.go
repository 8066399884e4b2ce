package policy

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

var trustedNets = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

// FuzzClientOf asks of the walk over X-Forwarded-For: the client is the peer or somebody on the list; everything to its
// right is trusted; a peer that is not trusted is not listened to; and the list is passed on as it came.
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
				t.Errorf("a stranger made itself %v behind %q", client, chain)
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
				t.Fatalf("%q: client %v is behind %v, who is not trusted", list, client, hop)
			}
		}
	})
}

// FuzzForwarded sends odd names and values through the policy: what comes out can be written in a header, and says of the
// client what we know and not what it says.
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
