package caller

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

func TestOf(t *testing.T) {
	alice := func(r *http.Request) { r.Header.Set("Authorization", "Bearer alice") }
	from := func(ip string) func(*http.Request) {
		return func(r *http.Request) { exchange.From(r).Client = netip.MustParseAddr(ip) }
	}
	name := func(c config.Caller, with ...func(*http.Request)) string {
		rec := &exchange.Exchange{Client: netip.MustParseAddr("192.0.2.1")}
		r := httptest.NewRequest("GET", "/", nil)
		r = rec.Attach(r)
		for _, f := range with {
			f(r)
		}
		return Of(r, c)
	}
	subject := func(r *http.Request) { exchange.From(r).Subject = "alice" }
	cookie := func(r *http.Request) { r.Header.Set("Cookie", "id=secret-value") }
	auth, ip, all, byCookie := config.Caller{By: "authorization"}, config.Caller{By: "ip"}, config.Caller{By: "all"}, config.Caller{By: "cookie", Name: "id"}
	header := config.Caller{By: "header", Name: "X-Key"}

	twice := func(name string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = []string{"id=a", "id=b"} }
	}
	preflight := func(r *http.Request) {
		r.Method = "OPTIONS"
		r.Header.Set("Origin", "https://a.example")
		r.Header.Set("Access-Control-Request-Method", "POST")
	}

	same := [][2]string{
		{name(auth, twice("Authorization")), name(ip)},
		{name(header, twice("X-Key")), name(ip)},
		{name(byCookie, twice("Cookie")), name(ip)},
		{name(byCookie, func(r *http.Request) { r.Header.Set("Cookie", "id=a; id=a") }), name(ip)},
		{name(auth, alice, preflight), name(ip)},
		{name(auth, preflight), name(ip)},
		{name(auth), name(ip)}, // no credentials
		{name(byCookie), name(ip)},
		{name(header), name(ip)},
		{name(ip, alice), name(ip)},
		{name(all, alice), name(all, from("192.0.2.2"))},
		{name(auth, alice), name(auth, alice, from("192.0.2.2"))},
		{name(auth, subject), name(auth, subject, alice)}, // a new token of the same subject
		{name(ip, from("2001:db8::1")), name(ip, from("2001:db8::ffff:1"))},
		{name(ip, from("::ffff:192.0.2.1")), name(ip)},
	}
	for i, s := range same {
		if s[0] != s[1] {
			t.Errorf("same[%d]: %q and %q", i, s[0], s[1])
		}
	}
	different := []string{
		name(ip), name(ip, from("192.0.2.2")), name(ip, from("2001:db8::1")), name(ip, from("2001:db8:0:1::1")), name(all),
		name(auth, alice), name(auth, subject), name(byCookie, cookie),
		name(header, func(r *http.Request) { r.Header.Set("X-Key", "Bearer alice") }),
	}
	for i, a := range different {
		for j, b := range different[:i] {
			if a == b {
				t.Errorf("different[%d] and [%d]: %q", i, j, a)
			}
		}
	}
	if got := name(byCookie, cookie); strings.Contains(got, "secret") {
		t.Errorf("%q contains the cookie", got)
	}
}
