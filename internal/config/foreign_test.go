package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/foreign"
)

// foreignExamples are the files of the tests of package foreign. The name of each begins with the part of the page that helps.
func foreignExamples(t testing.TB) map[string][]byte {
	paths, err := filepath.Glob("../foreign/testdata/*")
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

// A file of another tool gets one problem, which names the page that helps.
func TestForeignFilesAreRefused(t *testing.T) {
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
	}
}

// A tenfold.yaml with mistakes is never taken for a file of another tool, with any name.
func TestOwnFilesAreNotForeign(t *testing.T) {
	paths, _ := filepath.Glob("testdata/*/*.yaml")
	if len(paths) < 80 {
		t.Fatal("too few files: ", paths)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if f := foreign.Recognise("tenfold.yaml", data, resemblesKey); err != nil || f != nil {
			t.Errorf("%s: %v, %v", path, err, f)
		}
	}
	for _, text := range []string{
		"servces: {shop: {run: [shop]}}", "listn: :80", "store: redis", "drain: soon", "jwt: x\nlimits: y", "web: {run: [shop]}",
		"web: [shop, serve]", "services:\n  web: {image: x, run: [shop]}", "services: {web: {image: nginx}}\nroutes: []",
		"http: :80", "tls: on\nroot: /var/www\nlog: off", "server: shop", "shop: work",
	} {
		if f := foreign.Recognise("tenfold.yaml", []byte(text), resemblesKey); f != nil {
			t.Errorf("%q is %s", text, f.What)
		}
	}
}

// FuzzForeignFiles checks for any text that is recognised, and is not a valid file, that its one problem shows nothing of it.
func FuzzForeignFiles(f *testing.F) {
	for _, data := range foreignExamples(f) {
		f.Add(data)
	}
	f.Add([]byte("services: {shop: {run: [shop]}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := Parse("tenfold.yaml", data, &Options{Dir: "testdata"})
		found := foreign.Recognise("tenfold.yaml", data, resemblesKey)
		if err == nil || found == nil {
			return
		}
		want := Problems{{Line: 1, Column: 1, Message: "this is " + found.What + ", not a tenfold.yaml", Hint: found.Hint()}}
		if err.Error() != want.In("tenfold.yaml").Error() {
			t.Errorf("%q: %v, want %v", data, err, want)
		}
	})
}
