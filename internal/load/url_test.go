package load

import (
	"strings"
	"testing"
)

func TestURLsAreEncoded(t *testing.T) {
	for raw, want := range map[string]string{
		"http://h/s?q=red shoe":          "/s?q=red%20shoe",
		"http://h/s?q=\u00fc":            "/s?q=%C3%BC",
		"http://h/caf\u00e9 1":           "/caf%C3%A9%201",
		"http://h/s?q=100%":              "/s?q=100%25",
		"http://h/100%/x":                "/100%25/x",
		"http://h/s?q=a%20b&c=d+e":       "/s?q=a%20b&c=d+e",
		"http://h/s?q=<\"|{}^`\\>":       "/s?q=%3C%22%7C%7B%7D%5E%60%5C%3E",
		"http://h/s?q=a\tb\u00a0c":       "/s?q=a%09b%C2%A0c",
		"http://h/a%2Fb":                 "/a%2Fb",
		"http://h/a?b#top":               "/a?b",
		"http://h/a#b c":                 "/a",
		"http://h?q=a b":                 "/?q=a%20b",
		" http://h/a \n":                 "/a",
		"unix:/run/s.sock":               "/",
		"unix:/run/s.sock:/a b?c=\u00fc": "/a%20b?c=%C3%BC",
	} {
		target, err := NewTarget(raw, "", nil, nil)
		if err != nil {
			t.Errorf("%q: %v", raw, err)
			continue
		}
		if line := "GET " + want + " HTTP/1.1\r\n"; !strings.HasPrefix(string(target.raw), line) {
			t.Errorf("%q: sends %q, want %q", raw, target.raw, line)
		}
		if got := target.Request(t.Context()).URL.RequestURI(); got != want {
			t.Errorf("%q: net/http gets %q, want %q", raw, got, want)
		}
	}
}

func TestHostsBecomeASCII(t *testing.T) {
	for raw, want := range map[string]string{
		"http://b\u00fccher.example/":     "xn--bcher-kva.example",
		"http://B\u00dcCHER.example:81/x": "xn--bcher-kva.example:81",
		"http://b%C3%BCcher.example/":     "xn--bcher-kva.example",
		"http://[::1]:80/":                "[::1]:80",
		"http://shop.test/":               "shop.test",
	} {
		target, err := NewTarget(raw, "", nil, nil)
		if err != nil || !strings.Contains(string(target.raw), "\r\nHost: "+want+"\r\n") {
			t.Errorf("%q: %v, want the host %s", raw, err, want)
		}
	}
	if _, err := ParseURL("http://\u00fc\u2024x/"); err == nil {
		t.Error("a name that is not valid in IDNA was accepted")
	}
}

func TestSocketForms(t *testing.T) {
	for raw, want := range map[string]string{
		"unix:/run/s.sock":                  "/run/s.sock /",
		"unix:/run/s.sock:/a?b":             "/run/s.sock /a?b",
		"unix:///run/s.sock":                "/run/s.sock /",
		"unix:s.sock:/a":                    "s.sock /a",
		"http://unix:/run/s.sock:/a":        "/run/s.sock /a",
		"http+unix://%2Frun%2Fs.sock/a?b":   "/run/s.sock /a?b",
		"http+unix://%2Frun%2Fs%20s.sock":   "/run/s s.sock /",
		"http+unix://%2Frun%2Fs.sock?b=a c": "/run/s.sock /?b=a%20c",
	} {
		u, err := ParseURL(raw)
		if err != nil || u.Socket+" "+u.RequestURI() != want || u.Host != "localhost" {
			t.Errorf("%s: got %+v, %v; want %s", raw, u, err, want)
		}
	}
	for _, raw := range []string{"unix:", "unix:/s.sock:a", "http+unix://", "http+unix://%zz/", "https://unix:/s.sock"} {
		if u, err := ParseURL(raw); err == nil {
			t.Errorf("%s: got %+v, want an error", raw, u)
		}
	}
}
