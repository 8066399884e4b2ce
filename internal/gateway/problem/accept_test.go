package problem

import "testing"

func TestAccept(t *testing.T) {
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, c := range []struct {
		accept     []string
		html, page bool // prefers HTML; gets a page of text/html
	}{
		{nil, false, true}, {[]string{""}, false, false}, {[]string{"*/*"}, false, true}, {[]string{browser}, true, true},
		{[]string{"application/json"}, false, false}, {[]string{"application/json, text/plain, */*"}, false, true},
		{[]string{"text/html"}, true, true}, {[]string{"TEXT/HTML"}, true, true}, {[]string{"text/*"}, true, true}, {[]string{"text/html;level=1"}, true, true},
		{[]string{"application/problem+json, text/html;q=0.9"}, false, false}, {[]string{"application/json;q=0.1", "text/html;q=0.2"}, true, true},
		{[]string{"text/html;q=0, */*"}, false, false}, {[]string{"text/html;q=x, */*;q=0.1"}, false, true}, {[]string{"text/html;q=2"}, false, false},
		{[]string{"text/plain"}, false, false}, {[]string{"image/png"}, false, false}, {[]string{"text/html;q=-0"}, false, false}, {[]string{"text/html;q=NaN"}, false, false},
	} {
		if html, page := prefersHTML(c.accept), AcceptsPage(c.accept, "text/html; charset=utf-8"); html != c.html || page != c.page {
			t.Errorf("%q: prefers HTML %v, gets a page %v", c.accept, html, page)
		}
	}
}

func FuzzAccept(f *testing.F) {
	f.Add("text/html;q=0.5, */*;q=0.1")
	f.Fuzz(func(t *testing.T, accept string) {
		if q := quality([]string{accept}, "text/html"); !(q >= 0 && q <= 1) {
			t.Errorf("%q: %v", accept, q)
		}
		prefersHTML([]string{accept})
	})
}
