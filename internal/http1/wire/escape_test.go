package wire

import (
	"net/url"
	"strings"
	"testing"
)

// RFC 3986 sections 3.3 and 3.4: pchar, "/" and "?" stand as they are; everything else is percent-encoded.
func TestEscape(t *testing.T) {
	const pchar = "AZaz09-._~!$&'()*+,;=:@/%41"
	for _, test := range []struct{ raw, path, query string }{
		{"", "", ""},
		{pchar, pchar, pchar},
		{"?", "%3F", "?"},
		{"\xc3\xbc", "%C3%BC", "%C3%BC"},
		{"\xff", "%FF", "%FF"},
		{`"<>[\]^` + "`{|}", "%22%3C%3E%5B%5C%5D%5E%60%7B%7C%7D", "%22%3C%3E%5B%5C%5D%5E%60%7B%7C%7D"},
		{" #\x00\x7f", "%20%23%00%7F", "%20%23%00%7F"},
		{"%c3%bc%", "%c3%bc%", "%c3%bc%"},
	} {
		if got := EscapePath(test.raw); got != test.path {
			t.Errorf("path %q: got %q, want %q", test.raw, got, test.path)
		}
		if got := EscapeQuery(test.raw); got != test.query {
			t.Errorf("query %q: got %q, want %q", test.raw, got, test.query)
		}
	}
}

// FuzzEscape checks that escaping keeps the meaning, and is stable.
func FuzzEscape(f *testing.F) {
	f.Add("/a b?ü|%2f")
	f.Fuzz(func(t *testing.T, s string) {
		e := EscapePath(s)
		if EscapePath(e) != e || EscapeQuery(EscapeQuery(s)) != EscapeQuery(s) || strings.ContainsAny(e, " #?\r\n") {
			t.Errorf("%q: %q", s, e)
		}
		before, err1 := url.PathUnescape(s)
		after, err2 := url.PathUnescape(e)
		if (err1 == nil) != (err2 == nil) || before != after {
			t.Errorf("%q means %q, %q means %q", s, before, e, after)
		}
	})
}
