package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/status"
)

func TestTargetNodes(t *testing.T) {
	step := func(offered float64, o curve.Outcome, low, high int) stepNodes {
		return stepNodes{offered, o, nodeRange{low, high}}
	}
	for _, c := range []struct {
		name    string
		steps   []stepNodes
		nodes   int
		note    string
		unknown string
	}{
		{"nothing measured", nil, 0, "", "nothing was measured"},
		{"no search", []stepNodes{step(50, "", 2, 2)}, 2, "", ""},
		{"a node was lost without a verdict", []stepNodes{step(50, "", 1, 2)}, 0, "", "changed during the test: 1 to 2 nodes"},
		{"every step has the same nodes", []stepNodes{step(50, curve.Pass, 3, 3), step(100, curve.Fail, 3, 3)}, 3, "", ""},
		{"overload takes a node away", []stepNodes{step(50, curve.Pass, 3, 3), step(100, curve.Fail, 2, 3)}, 3,
			"at 100/s, which did not pass, 2 to 3 nodes were ready instead of 3", ""},
		{"a fleet that failed was larger", []stepNodes{step(50, curve.Pass, 2, 2), step(100, curve.Fail, 3, 3)}, 2,
			"3 nodes were ready instead of 2", ""},
		{"scaled between two steps that passed", []stepNodes{step(50, curve.Pass, 2, 2), step(100, curve.Pass, 3, 3)}, 0, "",
			"changed during the test: 2 to 3 nodes"},
		{"restarted during a step that passed", []stepNodes{step(50, curve.Pass, 2, 3)}, 0, "", "2 to 3 nodes"},
		{"no step passed", []stepNodes{step(50, curve.Fail, 2, 2), step(20, curve.Invalid, 2, 2)}, 2, "", ""},
		{"no node", []stepNodes{step(50, curve.Fail, 0, 0)}, 0, "", "no node was ready"},
	} {
		nodes, notes, unknown := targetNodes(c.steps)
		if nodes != c.nodes || !strings.Contains(strings.Join(notes, " "), c.note) || (c.note == "") != (notes == nil) ||
			!strings.Contains(unknown, c.unknown) || (c.unknown == "") != (unknown == "") {
			t.Errorf("%s: %d, %q, %q", c.name, nodes, notes, unknown)
		}
	}
}

// adminOf is an admin address that answers for routes and nodes.
func adminOf(t *testing.T, routes []status.Route, nodes func() []status.Node) string {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/routes", func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(routes) })
	mux.HandleFunc("GET /api/nodes", func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(nodes()) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// readyNodes are n ready nodes of a service, next to some that do not count.
func readyNodes(service string, n int) []status.Node {
	all := []status.Node{{Service: "other", ID: "other-1", State: "ready"}, {Service: service, ID: "old", State: "draining"}}
	for i := range n {
		all = append(all, status.Node{Service: service, ID: fmt.Sprintf("%s-%d", service, i+1), State: "ready"})
	}
	return all
}

// measured runs load against a target that works and returns the document, or the text of the error.
func measured(t *testing.T, args ...string) (d curve.Document, code int, stderr string) {
	t.Helper()
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(target.Close)
	file := filepath.Join(t.TempDir(), "a.json")
	fixed := []string{"--duration", "300ms", "--warmup", "0s", "--json", file}
	code, _, stderr = tenfoldLoad(t.Context(), slices.Concat([]string{target.URL + "/api/products"}, fixed, args)...)
	if data, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(data, &d); err != nil {
			t.Fatal(err)
		}
	}
	return d, code, stderr
}

func TestLoadAsksTheAdminAddressForTheNodes(t *testing.T) {
	routes := []status.Route{{Path: "/", To: "web"}, {Path: "/api", To: "shop"}}
	admin := adminOf(t, routes, func() []status.Node { return readyNodes("shop", 3) })
	d, code, stderr := measured(t, "--rate", "50", "--admin", admin)
	if code != 0 || d.TargetNodes != 3 || d.TargetNodesUnknown != "" ||
		!strings.Contains(stderr, "3 nodes of service shop ready") {
		t.Errorf("exit code %d, %+v: %s", code, d, stderr)
	}
	d, code, stderr = measured(t, "--rates", "20..20", "--admin", admin)
	if code != 0 || d.TargetNodes != 3 {
		t.Errorf("search: exit code %d, %+v: %s", code, d, stderr)
	}
}

// A number of nodes that changes is marked, not guessed.
func TestLoadMarksAFleetThatChanged(t *testing.T) {
	var looks atomic.Int64
	admin := adminOf(t, []status.Route{{Path: "/", To: "shop"}}, func() []status.Node {
		return readyNodes("shop", int(looks.Add(1))+1)
	})
	d, code, stderr := measured(t, "--rate", "50", "--admin", admin)
	if code != 0 || d.TargetNodes != 0 || d.TargetNodesUnknown != "the number of ready nodes changed during the test: 2 to 3 nodes" ||
		!strings.Contains(strings.Join(d.Notes, "\n"), "tenfold plan cannot use it") {
		t.Errorf("exit code %d, %+v: %s", code, d, stderr)
	}
}

func TestLoadSaysThatNodesWereReplaced(t *testing.T) {
	var looks atomic.Int64
	admin := adminOf(t, []status.Route{{Path: "/", To: "shop"}}, func() []status.Node {
		return []status.Node{{Service: "shop", ID: fmt.Sprint("shop-", looks.Add(1)), State: "ready"}}
	})
	d, _, stderr := measured(t, "--rate", "50", "--admin", admin)
	if d.TargetNodes != 1 || !strings.Contains(strings.Join(d.Notes, "\n"), "nodes of service shop were replaced") {
		t.Errorf("%+v: %s", d, stderr)
	}
}

func TestLoadTargetOfSeveralServices(t *testing.T) {
	admin := adminOf(t, []status.Route{{Path: "/", To: "web"}, {Path: "/api", To: "shop"}}, func() []status.Node { return nil })
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer target.Close()
	dir := t.TempDir()
	journey, file := filepath.Join(dir, "j.yaml"), filepath.Join(dir, "a.json")
	if err := os.WriteFile(journey, []byte("steps: [{path: /}, {path: /api/cart}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := tenfoldLoad(t.Context(), journey, "--target", target.URL, "--rate", "20", "--duration", "300ms",
		"--warmup", "0s", "--admin", admin, "--json", file)
	var d curve.Document
	data, _ := os.ReadFile(file)
	if err := json.Unmarshal(data, &d); err != nil || code != 0 || d.TargetNodes != 0 ||
		!strings.Contains(d.TargetNodesUnknown, "several services: web, shop; --target-nodes N") ||
		!strings.Contains(stderr, "note: the target is the gateway of a tenfold, but the number of nodes is not known") {
		t.Errorf("exit code %d, %v, %+v: %s", code, err, d, stderr)
	}
}

func TestLoadTargetNodesFlag(t *testing.T) {
	d, code, stderr := measured(t, "--rate", "50", "--target-nodes", "4")
	if code != 0 || d.TargetNodes != 4 {
		t.Errorf("exit code %d, %+v: %s", code, d, stderr)
	}
	if d, code, _ = measured(t, "--rate", "50"); code != 0 || d.TargetNodes != 0 || d.TargetNodesUnknown != "" {
		t.Errorf("a plain target: exit code %d, %+v", code, d)
	}
}

func TestLoadTargetErrors(t *testing.T) {
	other := adminOf(t, []status.Route{{Host: "shop.test", Path: "/", To: "shop"}}, func() []status.Node { return nil })
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--admin", other}, 2, "no route of the tenfold at " + other + " leads"},
		{[]string{"--admin", "127.0.0.1:1"}, 1, "reach tenfold at 127.0.0.1:1"},
		{[]string{"--admin", "nonsense"}, 2, `admin address "nonsense"`},
		{[]string{"--target-nodes", "0"}, 2, "want a value above 0"},
		{[]string{"--target-nodes", "1000000"}, 2, "want a number from 1 to 100000"},
		{[]string{"--target-nodes", "2", "--admin", other}, 2, "both say how many nodes"},
		{[]string{"--target-nodes", "2", "--nodes", "1,2,3"}, 2, "--nodes"},
	} {
		if d, code, stderr := measured(t, append(c.args, "--rate", "50")...); code != c.code || !strings.Contains(stderr, c.want) ||
			d.Steps != nil {
			t.Errorf("%v: exit code %d, %+v: %s", c.args, code, d, stderr)
		}
	}
}

// The number of nodes of a running tenfold goes into the document, and the plan divides by it.
func TestLoadThroughAGateway(t *testing.T) {
	x := demo(t, "--nodes", "2")
	file := filepath.Join(t.TempDir(), "a.json")
	code, stdout, stderr := tenfoldLoad(t.Context(), x.url+"/api/products", "--rates", "20..20", "--duration", "500ms", "--warmup", "0s",
		"--admin", x.admin, "--json", file)
	data, err := os.ReadFile(file)
	var d curve.Document
	if err != nil || json.Unmarshal(data, &d) != nil || code != 0 || d.TargetNodes != 2 {
		t.Errorf("exit code %d, %v\n%s%s", code, err, stdout, stderr)
	}
	x.stop()
}
