package policy

import (
	"net/url"
	"path"
	"strings"
	"testing"
)

func TestAmbiguousPaths(t *testing.T) {
	for _, p := range []string{
		"/..", "/../", "/.", "/./a", "/a/..", "/a/../b", "/..;/a", "/..;x=1/a", "/.;/a", "/a/..;", `/..\a`, `\..\a`, `/a\..`, `/a\.\b`, "/\x00", "/a\x00b", `/..\`,
	} {
		if !ambiguousPath(p) {
			t.Errorf("%q passes", p)
		}
	}
	for _, p := range []string{
		"/", "*", "/a", "/a/b", "/...", "/a..", "/..a", "/.well-known/x", "/a/.b/..c", `/a\b`, "//", "/a//b", "/;", "/a;..", "/a;../b", "/a/;x", "",
	} {
		if ambiguousPath(p) {
			t.Errorf("%q is refused", p)
		}
	}
}

// FuzzAmbiguousPath checks that a path that passes names the same resource in every way that servers read it: with dot
// segments resolved, with a backslash as slash, and without path parameters.
func FuzzAmbiguousPath(f *testing.F) {
	for _, s := range []string{"/", "/a/../b", "/..;/", "/%2e%2e/", `/..\`, "/a;/../b", "//..//", "/.a/..b", "/a/%00", "*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || ambiguousPath(u.Path) || !strings.HasPrefix(u.Path, "/") {
			return
		}
		if strings.IndexByte(u.Path, 0) >= 0 {
			t.Fatalf("%q has a NUL", u.Path)
		}
		for _, read := range []func(string) string{
			func(p string) string { return p },
			func(p string) string { return strings.ReplaceAll(p, `\`, "/") },
			withoutParameters,
			func(p string) string { return withoutParameters(strings.ReplaceAll(p, `\`, "/")) },
		} {
			p := read(u.Path)
			if got, want := path.Clean(p), "/"+strings.Join(strings.FieldsFunc(p, func(r rune) bool { return r == '/' }), "/"); got != want {
				t.Errorf("%q is %q to one server and %q to another", u.Path, want, got)
			}
		}
	})
}

func withoutParameters(p string) string {
	segments := strings.Split(p, "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	return strings.Join(segments, "/")
}
