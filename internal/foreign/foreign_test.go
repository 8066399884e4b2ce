package foreign

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// noKey is for texts that are no tenfold.yaml with mistakes.
func noKey(string) bool { return false }

// examples are the files of testdata. The name of each begins with the part of the page that helps.
func examples(t testing.TB) map[string][]byte {
	paths, err := filepath.Glob(filepath.Join("testdata", "*"))
	if err != nil || len(paths) < 15 {
		t.Fatal("too few files: ", paths, err)
	}
	all := map[string][]byte{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = data
	}
	return all
}

// Each kind has an example, which is recognised by its content, and a part of the page.
func TestRecognise(t *testing.T) {
	seen := map[string]bool{}
	for name, data := range examples(t) {
		want := regexp.MustCompile(`^[a-z]+`).FindString(name)
		for _, as := range []string{"tenfold.yaml", name, "/etc/other/file"} {
			if got := anchorOf(Recognise(as, data, noKey)); got != want {
				t.Errorf("%s as %s: %q", name, as, got)
			}
		}
		seen[want] = true
	}
	page, err := os.ReadFile("../../docs/coming-from.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		heading := regexp.MustCompile(`(?mi)^## ` + k.anchor + `$`)
		if !seen[k.anchor] || !heading.Match(page) {
			t.Errorf("%s: an example %v, a part of the page %v", k.anchor, seen[k.anchor], heading.Match(page))
		}
	}
}

// The usual name is enough if the content is of no known kind.
func TestRecogniseByName(t *testing.T) {
	for name, want := range map[string]string{
		"Caddyfile": "caddy", "conf/Caddyfile.dev": "caddy", "docker-compose.prod.yml": "compose", "compose.yaml": "compose",
		"Procfile": "procfile", "Procfile.dev": "procfile", "nginx.conf": "nginx", "haproxy.cfg": "haproxy", "traefik.yml": "traefik",
		"tenfold.yaml": "", "deploy.yml": "", "app.conf": "",
	} {
		f := Recognise(name, []byte("something"), noKey)
		if got := anchorOf(f); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		if f := Recognise(name, []byte("# only a comment\n\n"), noKey); f != nil {
			t.Errorf("%s: an empty file is %s", name, f.What)
		}
	}
}

func TestHintFor(t *testing.T) {
	for _, name := range Names {
		if HintFor(name) == "" {
			t.Errorf("%s has no page", name)
		}
	}
	if hint := HintFor("tenfold.yaml"); hint != "" {
		t.Error(hint)
	}
}

func anchorOf(k *Kind) string {
	if k == nil {
		return ""
	}
	return k.anchor
}

// The work for a hostile file is bounded.
func TestRecogniseIsBounded(t *testing.T) {
	begun := time.Now()
	for _, text := range []string{
		strings.Repeat("a", 1<<20), strings.Repeat("server {\n", 1<<17), strings.Repeat("{\"apiVersion\":", 1<<16),
		strings.Repeat(" ", 1<<20) + "x", strings.Repeat("web: a b\n", 1<<17), strings.Repeat("reverse_proxy :", 1<<16),
	} {
		Recognise("x", []byte(text), noKey)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// FuzzRecognise checks for any text that the result does not depend on line ends and comments.
func FuzzRecognise(f *testing.F) {
	for _, data := range examples(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		found := Recognise("tenfold.yaml", data, noKey)
		if found != nil && !slices.ContainsFunc(kinds, func(k Kind) bool { return k.What == found.What }) {
			t.Errorf("%+v is not in the list", found)
		}
		if len(data) >= maxRecognised/2 || strings.Contains(string(data), "\r") || strings.HasPrefix(string(data), "\ufeff") {
			return
		}
		crlf := strings.ReplaceAll("# a comment\n\n"+string(data), "\n", "\r\n")
		if got := Recognise("tenfold.yaml", []byte(crlf), noKey); anchorOf(got) != anchorOf(found) {
			t.Errorf("%q: %v, with CRLF and a comment %v", data, found, got)
		}
	})
}
