package policy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
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
		x := &exchange.Exchange{Client: peer}
		r := x.Attach(&http.Request{RemoteAddr: netip.AddrPortFrom(peer, 80).String(), Header: http.Header{"X-Forwarded-For": {list}}})
		Forwarded(ForwardedOptions{Trusted: trustedNets})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(nil, r)
		client, chain := x.Client, r.Header.Get("X-Forwarded-For")
		if !believed {
			if client != peer || chain != peer.String() {
				t.Errorf("a peer that is not trusted became %v with %q", client, chain)
			}
			return
		}
		want := list + ", " + peer.String()
		if strings.Trim(list, " \t") == "" {
			want = peer.String()
		}
		if chain != want {
			t.Errorf("%q became %q", list, chain)
		}
		if _, ok := parseForwarded(r.Header.Get("Forwarded")); !ok {
			t.Errorf("Forwarded is malformed: %s", r.Header.Get("Forwarded"))
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
		Record()(Forwarded(ForwardedOptions{Trusted: trustedNets})(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
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

// FuzzParseForwarded checks that a field that is accepted is read the same after it is written in quotes.
func FuzzParseForwarded(f *testing.F) {
	for _, s := range []string{"for=1.2.3.4", `For="[2001:db8::1]:80";proto=https, for=unknown`, `for=_x;by=y;host="a\\"b"`, "for=1.2.3.4;for=2.2.2.2", "a=", ",,;", "for=2001:db8::1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		elements, ok := parseForwarded(s)
		if !ok {
			return
		}
		var again []string
		for _, e := range elements {
			var pairs []string
			for name, value := range e {
				pairs = append(pairs, name+`="`+quotable.Replace(value)+`"`)
			}
			again = append(again, strings.Join(pairs, ";"))
		}
		got, ok := parseForwarded(strings.Join(again, ","))
		if !ok || fmt.Sprint(got) != fmt.Sprint(elements) {
			t.Errorf("%q is read as %v, and written again as %v, %v", s, elements, got, ok)
		}
	})
}

func TestParseForwardedRefuses(t *testing.T) {
	for _, s := range []string{"for", "for=", `for="1`, "for=1 2", "for=1;for=2", "=1", `for=1"2"`, "for=a=b", strings.Repeat("for=1,", 1000)} {
		if elements, ok := parseForwarded(s); ok {
			t.Errorf("%.40q: read as %d elements", s, len(elements))
		}
	}
}
