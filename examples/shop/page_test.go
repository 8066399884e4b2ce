package shop

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestFrontPage(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) {
		v := visit(t, startShop(t, state, Options{Node: `<shop-7>`}))
		contains := func(path string, yes, no []string) {
			t.Helper()
			a := v.want(http.StatusOK, nil, "GET", path, "")
			if ct := a.header.Get("Content-Type"); ct != "text/html; charset=utf-8" {
				t.Errorf("content type %q", ct)
			}
			for _, part := range yes {
				if !strings.Contains(a.body, part) {
					t.Errorf("%s: no %q in the page", path, part)
				}
			}
			for _, part := range no {
				if strings.Contains(a.body, part) {
					t.Errorf("%s: %q in the page", path, part)
				}
			}
		}
		contains("/", []string{"Desk Lamp", "Ledger", "€89.00", "&lt;shop-7&gt;", "Nothing in it yet", "Log in"}, []string{"Cents", "Your orders"})
		contains("/?category=pens", []string{"Fineliner", `href="/?category=pens" aria-current="page"`}, []string{"Desk Lamp"})
		v.want(http.StatusNotFound, nil, "GET", "/?category=shoes", "")

		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 3}`)
		contains("/", []string{"3 × Brass Clips", "€21.60", "Log in to buy"}, []string{"Idempotency"})
		v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("mia"))
		contains("/", []string{"3 × Brass Clips", "Hello, <b>mia</b>", `data-api="POST /api/orders" data-key="`}, []string{"Cents"})
		v.want(http.StatusCreated, nil, "POST", "/api/orders", "")
		contains("/", []string{"Nothing in it yet", "Your orders", "3 × Brass Clips"}, []string{"not paid"})
		v.want(http.StatusOK, nil, "POST", "/api/login", credentialsJSON("admin"))
		contains("/", []string{`data-api="PUT /api/products/clips/price"`}, []string{"Your orders"})
	})
}

func TestPageAllowsNoForeignOrInlineCode(t *testing.T) {
	v := visit(t, startShop(t, OpenMemory(), Options{}))
	a := v.want(http.StatusOK, nil, "GET", "/", "")
	if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'self'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy: %s", csp)
	}
	if found := regexp.MustCompile(`(?i)<script>|<style|\sstyle=|\son[a-z]+=|//`).FindString(strings.TrimPrefix(a.body, "<!doctype html>")); found != "" {
		t.Errorf("the page has %q, which its own policy blocks", found)
	}
}

func TestAssetsMayBeKeptForEver(t *testing.T) {
	v := visit(t, startShop(t, OpenMemory(), Options{}))
	page := v.want(http.StatusOK, nil, "GET", "/", "").body
	urls := regexp.MustCompile(`/static/[a-z.]+\?v=[0-9a-f]+`).FindAllString(page, -1)
	types := map[string]string{".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
	seen := map[string]bool{}
	for _, url := range urls {
		if seen[url] {
			continue
		}
		seen[url] = true
		a := v.want(http.StatusOK, nil, "GET", url, "")
		if cc := a.header.Get("Cache-Control"); cc != "public, max-age=31536000, immutable" {
			t.Errorf("%s: %s", url, cc)
		}
		name, _, _ := strings.Cut(url, "?")
		ct := a.header.Get("Content-Type")
		if want := types[name[strings.LastIndex(name, "."):]]; !strings.HasPrefix(ct, want) {
			t.Errorf("%s: %s, want %s", url, ct, want)
		}
		v.want(http.StatusNotModified, nil, "GET", url, "", "If-None-Match: "+a.header.Get("ETag"))

		// Another version of the program requests other content: browsers must not keep this one under that URL.
		a = v.want(http.StatusOK, nil, "GET", name+"?v=0000", "")
		if cc := a.header.Get("Cache-Control"); cc != "no-cache" {
			t.Errorf("%s of another version: %s", name, cc)
		}
	}
	if len(seen) != len(assets) {
		t.Errorf("the page uses %d of %d assets", len(seen), len(assets))
	}
}
