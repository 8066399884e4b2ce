package shop

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The front page shows the nodes that the admin API lists, the node that made the page, and how to kill it.
func TestFrontPageShowsTheFleet(t *testing.T) {
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/nodes" {
			w.Write([]byte(`[{"id": "shop-1", "state": "ready", "pid": 4711, "requests": 12}, {"id": "<shop-2>", "state": "warming", "pid": 4712}]`))
		}
	}))
	defer admin.Close()
	file := filepath.Join(t.TempDir(), "admin")
	if err := os.WriteFile(file, []byte(admin.URL+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	v := visit(t, startShop(t, OpenMemory(), Options{Node: "shop-1", FleetFile: file}))
	page := v.want(http.StatusOK, nil, "GET", "/", "").body
	for _, part := range []string{"shop-1", "&lt;shop-2&gt;", "warming", "kill -9 4711"} {
		if !strings.Contains(page, part) {
			t.Errorf("no %q in the page", part)
		}
	}
}

// Without tenfold, or while it does not respond, the page is served without the fleet.
func TestFrontPageWithoutTheFleet(t *testing.T) {
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("[{")) }))
	defer broken.Close()
	file := filepath.Join(t.TempDir(), "admin")
	if err := os.WriteFile(file, []byte(broken.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", filepath.Join(t.TempDir(), "missing"), file} {
		v := visit(t, startShop(t, OpenMemory(), Options{FleetFile: name}))
		if page := v.want(http.StatusOK, nil, "GET", "/", "").body; strings.Contains(page, "kill -9") {
			t.Errorf("file %q: the page shows a fleet", name)
		}
	}
}
