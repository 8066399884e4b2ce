package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// foreignExamples are the files of testdata/foreign. The name of each begins with the part of the page that helps.
func foreignExamples(t testing.TB) map[string][]byte {
	paths, err := filepath.Glob(filepath.Join("testdata", "foreign", "*"))
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

// A file of another tool is recognised by its content, whatever its name is, and gets one answer.
func TestForeignFilesAreRecognised(t *testing.T) {
	seen := map[string]bool{}
	for name, data := range foreignExamples(t) {
		want := regexp.MustCompile(`^[a-z]+`).FindString(name)
		for _, as := range []string{"tenfold.yaml", name, "/etc/other/file"} {
			_, err := Parse(as, data, &Options{Dir: t.TempDir()})
			problems, ok := err.(Problems)
			if !ok || len(problems) != 1 || !strings.Contains(problems[0].Hint, "docs/coming-from.md#"+want+" ") ||
				!strings.HasSuffix(problems[0].Message, ", not a tenfold.yaml") || problems[0].File != as {
				t.Errorf("%s as %s: %v", name, as, err)
			}
		}
		seen[want] = true
	}
	page, err := os.ReadFile("../../docs/coming-from.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range foreignFiles {
		heading := regexp.MustCompile(`(?mi)^## ` + f.anchor + `$`)
		if !seen[f.anchor] || !heading.Match(page) {
			t.Errorf("%s: an example %v, a part of the page %v", f.anchor, seen[f.anchor], heading.Match(page))
		}
	}
}

// The usual name is enough if the content says nothing.
func TestForeignFilesByName(t *testing.T) {
	for name, want := range map[string]string{
		"Caddyfile": "caddy", "conf/Caddyfile.dev": "caddy", "docker-compose.prod.yml": "compose", "compose.yaml": "compose",
		"Procfile": "procfile", "Procfile.dev": "procfile", "nginx.conf": "nginx", "haproxy.cfg": "haproxy", "traefik.yml": "traefik",
		"tenfold.yaml": "", "deploy.yml": "", "app.conf": "",
	} {
		f := recognise(name, []byte("something"))
		if got := anchorOf(f); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		if f := recognise(name, []byte("# only a comment\n\n")); f != nil {
			t.Errorf("%s: an empty file is %s", name, f.what)
		}
	}
}

func TestForeignHint(t *testing.T) {
	for _, name := range ForeignNames {
		if ForeignHint(name) == "" {
			t.Errorf("%s has no page", name)
		}
	}
	if hint := ForeignHint("tenfold.yaml"); hint != "" {
		t.Error(hint)
	}
}

func anchorOf(f *foreignFile) string {
	if f == nil {
		return ""
	}
	return f.anchor
}

// A tenfold.yaml with mistakes is never taken for a file of another tool, whatever its name is.
func TestOwnFilesAreNotForeign(t *testing.T) {
	paths, _ := filepath.Glob("testdata/*/*.yaml")
	if len(paths) < 80 {
		t.Fatal("too few files: ", paths)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if strings.Contains(path, "foreign") {
			continue
		}
		if f := recognise("tenfold.yaml", data); err != nil || f != nil {
			t.Errorf("%s: %v, %v", path, err, f)
		}
	}
	for _, text := range []string{
		"servces: {shop: {run: [shop]}}", "listn: :80", "store: redis", "drain: soon", "jwt: x\nlimits: y", "web: {run: [shop]}",
		"web: [shop, serve]", "services:\n  web: {image: x, run: [shop]}", "services: {web: {image: nginx}}\nroutes: []",
		"http: :80", "tls: on\nroot: /var/www\nlog: off", "server: shop", "shop: work",
	} {
		if f := recognise("tenfold.yaml", []byte(text)); f != nil {
			t.Errorf("%q is %s", text, f.what)
		}
	}
}

// The work for a hostile file is bounded.
func TestRecogniseIsBounded(t *testing.T) {
	begun := time.Now()
	for _, text := range []string{
		strings.Repeat("a", 1<<20), strings.Repeat("server {\n", 1<<17), strings.Repeat("{\"apiVersion\":", 1<<16),
		strings.Repeat(" ", 1<<20) + "x", strings.Repeat("web: a b\n", 1<<17), strings.Repeat("reverse_proxy :", 1<<16),
	} {
		recognise("x", []byte(text))
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// FuzzRecognise checks for any text that it is not recognised if it is a valid file, that the answer does not depend on
// line ends and comments, and that nothing of the text is shown.
func FuzzRecognise(f *testing.F) {
	for _, data := range foreignExamples(f) {
		f.Add(data)
	}
	f.Add([]byte("services: {shop: {run: [shop]}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		found := recognise("tenfold.yaml", data)
		if found != nil && !slices.ContainsFunc(foreignFiles, func(k foreignFile) bool { return k.what == found.what }) {
			t.Errorf("%+v is not in the list", found)
		}
		if len(data) < maxRecognised/2 && !strings.Contains(string(data), "\r") {
			crlf := strings.ReplaceAll("# a comment\n\n"+string(data), "\n", "\r\n")
			if !strings.HasPrefix(string(data), "\ufeff") && anchorOf(recognise("tenfold.yaml", []byte(crlf))) != anchorOf(found) {
				t.Errorf("%q: %v, with CRLF and a comment %v", data, found, recognise("tenfold.yaml", []byte(crlf)))
			}
		}
		if _, err := Parse("tenfold.yaml", data, &Options{Dir: "testdata"}); err == nil {
			return // what is valid is not asked
		} else if found != nil && err.Error() != (Problems{found.problem()}).In("tenfold.yaml").Error() {
			t.Errorf("%q: %v", data, err)
		}
	})
}
