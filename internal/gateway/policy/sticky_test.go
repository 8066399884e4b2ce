package policy

import (
	"errors"
	"net/http"
	"testing"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// stickyNodes has three nodes, of which node "b" may be gone. Its RoundTrip sends each request to the preferred node
// or to node "a".
type stickyNodes struct {
	gone      bool // node b
	full      bool // node b
	stored    bool // the next response comes from a store
	preferred string
}

func (s *stickyNodes) NodeToken(id string) string { return "token-" + id }

func (s *stickyNodes) NodeByToken(token string) string {
	switch {
	case token == "token-a":
		return "a"
	case token == "token-b" && !s.gone:
		return "b"
	}
	return ""
}

func (s *stickyNodes) RoundTrip(req *http.Request) (*http.Response, error) {
	x := exchange.From(req)
	s.preferred = x.PreferredNode
	switch {
	case s.stored:
	case s.preferred == "" || s.preferred == "b" && s.full:
		x.Node = "a"
	default:
		x.Node = s.preferred
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}}, nil
}

func TestStickyCookieNamesTheNodeThatResponded(t *testing.T) {
	const wholeCookie = "pin=token-a; Path=/; HttpOnly; SameSite=Lax"
	for _, c := range []struct {
		name      string
		nodes     stickyNodes
		cookie    string
		preferred string
		set       string
	}{
		{"a new visitor gets a cookie", stickyNodes{}, "", "", wholeCookie},
		{"a visitor keeps the node", stickyNodes{}, "pin=token-b", "b", ""},
		{"other cookies do not count", stickyNodes{}, "other=token-b", "", wholeCookie},
		{"the node is gone", stickyNodes{gone: true}, "pin=token-b", "", wholeCookie},
		{"the node is full", stickyNodes{full: true}, "pin=token-b", "b", wholeCookie},
		{"an unknown token", stickyNodes{}, "pin=x", "", wholeCookie},
		{"a stored response for a new visitor", stickyNodes{stored: true}, "", "", ""},
		{"a stored response for a known visitor", stickyNodes{stored: true}, "pin=token-b", "b", ""},
	} {
		req, _ := http.NewRequest("GET", "http://shop.example/", nil)
		if c.cookie != "" {
			req.Header.Set("Cookie", c.cookie)
		}
		resp, err := Sticky("pin", &c.nodes, &c.nodes).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get("Set-Cookie"); c.nodes.preferred != c.preferred || got != c.set {
			t.Errorf("%s: preferred node %q, Set-Cookie %q; want %q, %q", c.name, c.nodes.preferred, got, c.preferred, c.set)
		}
	}
}

func TestStickyPassesErrorsOn(t *testing.T) {
	failed := errors.New("no node is ready")
	fails := transportFunc(func(*http.Request) (*http.Response, error) { return nil, failed })
	req, _ := http.NewRequest("GET", "http://shop.example/", nil)
	if _, err := Sticky("pin", &stickyNodes{}, fails).RoundTrip(req); err != failed {
		t.Errorf("%v, want %v", err, failed)
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
