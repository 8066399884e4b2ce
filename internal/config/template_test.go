package config

import (
	"strings"
	"testing"
)

func TestTemplate(t *testing.T) {
	names := []string{"host", "path", "query"}
	for in, want := range map[string]string{
		"": "", "plain": "plain", "{host}": "<host>", "{host}{path}": "<host><path>", "a{other}b": "a{other}b", "{{host}}": "{<host>}", "{host": "{host", `{"a":1}`: `{"a":1}`,
		"/?{query}": "/?<query>", "/?x={query}&{query}": "/?x=[query]&<query>", "/{query}?y={path}": "/<query>?y=[path]", "?{path}": "?[path]",
	} {
		got := ParseTemplate(in, names).Expand(func(name string, query bool) string {
			if query {
				return "[" + name + "]"
			}
			return "<" + name + ">"
		})
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// A text with all placeholders replaced by themselves is the text.
func FuzzTemplate(f *testing.F) {
	f.Add("https://{host}{path}?{query}")
	f.Fuzz(func(t *testing.T, s string) {
		if got := ParseTemplate(s, RedirectPlaceholders).Expand(func(name string, _ bool) string { return "{" + name + "}" }); got != s {
			t.Errorf("got %q, want %q", got, s)
		}
	})
}

// The check of targets and of paths does not panic, and what it accepts has no control characters.
func FuzzRedirectTarget(f *testing.F) {
	for _, s := range []string{"/new{path}", "https://{host}{path}?{query}", "//evil", "https://a@b/", "/{path}", "{path}", "https://[::1]:80/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if checkRedirectTo(s) == nil && (strings.ContainsAny(s, "\r\n\\ ") || strings.HasPrefix(s, "//")) {
			t.Errorf("%q is accepted", s)
		}
		if checkRewritePath(s) == nil && (s[0] != '/' || strings.ContainsAny(s, "\r\n?# \\")) {
			t.Errorf("%q is accepted as a path", s)
		}
		checkPattern(s)
		if o, err := parseOrigin(s); err == nil && strings.ContainsAny(o, "\r\n ,") {
			t.Errorf("%q is accepted as an origin", o)
		}
	})
}
