package affinity

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

func TestConclusive(t *testing.T) {
	for name, c := range map[string]struct {
		e    evidence
		want bool
	}{
		"nothing":                             {evidence{}, false},
		"each change of the node is a change": {evidence{sameKept: 5, otherRenewed: 6, again: 5}, true},
		"too few changes":                     {evidence{sameKept: 5, otherRenewed: 5, again: 4}, false},
		"never on its own node":               {evidence{otherRenewed: 60, again: 50}, false},
		"a new value with each response":      {evidence{sameRenewed: 50, otherRenewed: 50, again: 40}, false},
		"values change at times, anywhere":    {evidence{sameRenewed: 5, sameKept: 50, otherRenewed: 6, otherKept: 50, again: 5}, false},
		"most requests use no session":        {evidence{sameKept: 300, otherRenewed: 60, otherKept: 240, again: 50}, true},
		"each visitor once, after a new key":  {evidence{sameKept: 500, otherRenewed: 500}, false},
	} {
		if got := c.e.conclusive(); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestOldEvidenceCountsLess(t *testing.T) {
	var e evidence
	for range 5 * forgetAt {
		e.count(false, false, false)
	}
	if e.otherKept > forgetAt {
		t.Errorf("%v requests are counted", e.otherKept)
	}
}

// service is a service of n nodes that answers a visitor. It returns the value that the cookie gets, "" for no Set-Cookie.
type service func(node int, sent string) (set string)

// fresh returns a value that no visitor has had.
func fresh() string { return fmt.Sprintf("value-%016x", rand.Uint64()) }

// inMemory keeps sessions in its nodes.
func inMemory(nodes int) service {
	known := make([]map[string]bool, nodes)
	for i := range known {
		known[i] = map[string]bool{}
	}
	return func(node int, sent string) string {
		if known[node][sent] {
			return ""
		}
		v := fresh()
		known[node][v] = true
		return v
	}
}

// shared keeps sessions in a store.
func shared() service {
	known := map[string]bool{}
	return func(_ int, sent string) string {
		if known[sent] {
			return ""
		}
		v := fresh()
		known[v] = true
		return v
	}
}

// pick chooses a node for a request. It gets the preferred one, -1 for none.
type pick func(preferred int) int

func random(nodes int) pick {
	return func(preferred int) int {
		if preferred >= 0 {
			return preferred
		}
		return rand.IntN(nodes)
	}
}

func roundRobin(nodes int) pick {
	next := 0
	return func(preferred int) int {
		if preferred >= 0 {
			return preferred
		}
		next++
		return next % nodes
	}
}

// visit sends requests of several visitors, in turn, through a Watch. It returns after how many of them the service was
// found, or 0.
func visit(t *testing.T, s service, choose pick, visitors, requests int) (found int) {
	t.Helper()
	sent := 0
	w := New(func(f Found) {
		if f.Cookie != "sid" {
			t.Errorf("found the cookie %q", f.Cookie)
		}
		if found != 0 {
			t.Error("found twice")
		}
		found = sent
	})
	cookies := make([]string, visitors)
	nodes := w.Transport(transportFunc(func(req *http.Request) (*http.Response, error) {
		x := exchange.From(req)
		preferred := -1
		if x.PreferredNode != "" {
			fmt.Sscanf(x.PreferredNode, "app-%d", &preferred)
		}
		node := choose(preferred)
		x.Node = fmt.Sprintf("app-%d", node)
		resp := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}
		if set := s(node, valueOf(req.Header["Cookie"], "sid")); set != "" {
			resp.Header.Add("Set-Cookie", "theme=dark-blue-theme; Path=/")
			resp.Header.Add("Set-Cookie", "sid="+set+"; Path=/; HttpOnly")
		}
		return resp, nil
	}))
	for i := range requests {
		sent = i + 1
		v := i % visitors
		req, err := http.NewRequest("GET", "http://app.example/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if cookies[v] != "" {
			req.Header.Set("Cookie", "other=1; sid="+cookies[v]+"; theme=dark-blue-theme")
		}
		resp, err := nodes.RoundTrip((&exchange.Exchange{}).Attach(req))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range resp.Cookies() {
			if c.Name == "sid" {
				cookies[v] = c.Value
			}
		}
	}
	return found
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSessionsInTheMemoryOfNodesAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		nodes, visitors, requests int
		choose                    pick
	}{
		"one visitor, random nodes":      {2, 1, 200, random(2)},
		"one visitor, nodes in turn":     {2, 1, 60, roundRobin(2)},
		"three nodes in turn":            {3, 1, 60, roundRobin(3)},
		"many visitors, random nodes":    {4, 100, 2000, random(4)},
		"more visitors than places":      {4, 20_000, 200_000, random(4)},
		"visitors in turn on their node": {2, 2, 100, random(2)},
	} {
		found := visit(t, inMemory(c.nodes), c.choose, c.visitors, c.requests)
		if found == 0 {
			t.Errorf("%s: not found in %d requests", name, c.requests)
		}
		t.Logf("%s: found after %d requests", name, found)
	}
}

func TestServicesThatAreReadyAreNotFound(t *testing.T) {
	counter := 0
	for name, s := range map[string]service{
		"sessions in a store":                              shared(),
		"the same value again with each response":          func(_ int, sent string) string { return max(sent, "value-0123456789") },
		"the session itself in the cookie, encrypted anew": func(int, string) string { return fresh() },
		"a new value at times, as after a change": func(_ int, sent string) string {
			if sent != "" && rand.IntN(10) > 0 {
				return ""
			}
			return fresh()
		},
		"the name of the node, as a load balancer sets it": func(node int, sent string) string {
			if own := fmt.Sprintf("server-node-%d", node); sent != own {
				return own
			}
			return ""
		},
		"a counter": func(int, string) string { counter++; return fmt.Sprintf("count-%08d", counter) },
		"no cookie": func(int, string) string { return "" },
	} {
		for visitors, choose := range map[int]pick{1: random(2), 50: random(3), 2: roundRobin(2), 3: roundRobin(2)} {
			if found := visit(t, s, choose, visitors, 5000); found != 0 {
				t.Errorf("%s: found after %d requests of %d visitors", name, found, visitors)
			}
		}
	}
}

// All nodes are replaced, and so all sessions are lost once. A key of signed cookies that each deploy changes looks so.
func TestReplacedNodesAreNoSign(t *testing.T) {
	known, generation := map[string]int{}, 0
	s := func(_ int, sent string) string {
		if g, ok := known[sent]; ok && g == generation {
			return ""
		}
		v := fresh()
		known[v] = generation
		return v
	}
	requests := 0
	choose := func(int) int {
		if requests++; requests%10_000 == 0 {
			generation++
		}
		return generation*10 + rand.IntN(3)
	}
	if found := visit(t, s, choose, 100, 60_000); found != 0 {
		t.Errorf("found after %d requests", found)
	}
}

func TestManyCookiesAndNodesTakeNoMoreMemory(t *testing.T) {
	w := New(func(Found) {})
	for i := range 5000 {
		w.observe(nil, []string{fmt.Sprintf("c%d=%s", i, fresh()), "=x", "x", strings.Repeat("n", 500) + "=" + fresh(), "deleted=" + fresh() + "; Max-Age=0"},
			fmt.Sprintf("app-%d", i))
	}
	if len(w.names) != maxNames || len(w.table) != places || len(w.nodes) > maxNodes {
		t.Errorf("%d names, %d places, %d nodes", len(w.names), len(w.table), len(w.nodes))
	}
	for _, n := range w.names {
		if n.name == "deleted" {
			t.Error("a cookie that is only deleted is watched")
		}
	}
}

func BenchmarkTransport(b *testing.B) {
	w := New(func(Found) {})
	resp := &http.Response{StatusCode: 200, Header: http.Header{}}
	t := w.Transport(transportFunc(func(req *http.Request) (*http.Response, error) {
		exchange.From(req).Node = "app-1"
		return resp, nil
	}))
	w.observe(nil, []string{"sid=" + fresh()}, "app-1")
	req, err := http.NewRequest("GET", "http://app.example/", nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Cookie", "theme=dark; consent=yes; sid="+fresh())
	req = (&exchange.Exchange{}).Attach(req)
	for b.Loop() {
		t.RoundTrip(req)
	}
}
