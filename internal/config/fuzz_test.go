package config

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// FuzzParse checks for any text that Parse does not panic, that every problem has a place inside the file and shows no secret,
// and that the effective file of an accepted text parses to an equal Config.
func FuzzParse(f *testing.F) {
	for _, folder := range []string{"good", "bad"} {
		paths, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
		if err != nil || len(paths) == 0 {
			f.Fatal("no golden files: ", err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	const hidden = "value-of-the-environment"
	o := &Options{Dir: "testdata", Getenv: func(name string) (string, bool) { return hidden, name != "NOT_SET" }}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("fuzz.yaml", data, o)
		if err != nil {
			checkProblems(t, err, bytes.Count(data, []byte("\n"))+bytes.Count(data, []byte("\r"))+1)
			if strings.Contains(err.Error(), hidden) {
				t.Errorf("a secret is shown: %v", err)
			}
			return
		}
		again, err := Parse("effective.yaml", c.yaml(), o)
		if err != nil {
			t.Fatalf("the effective file is refused: %v\n%s", err, c.yaml())
		}
		if !reflect.DeepEqual(c, again) {
			t.Fatalf("the effective file differs:\ngot  %+v\nwant %+v\n%s", again, c, c.yaml())
		}
		shown := c.YAML()
		for _, note := range c.Notes() {
			shown = append(shown, note.String()...)
		}
		if bytes.Contains(shown, []byte(hidden)) && !bytes.Contains(data, []byte(hidden)) {
			t.Errorf("a secret is shown:\n%s", shown)
		}
	})
}

func checkProblems(t *testing.T, err error, lines int) {
	ps, ok := err.(Problems)
	if !ok || len(ps) == 0 {
		t.Fatalf("got %T with %d problems", err, len(ps))
	}
	for _, p := range ps {
		if p.Line < 1 || p.Line > lines || p.Column < 1 || p.File != "fuzz.yaml" || p.Message == "" {
			t.Errorf("%+v in a file of %d lines", p, lines)
		}
	}
	sorted := slices.Clone(ps).In("fuzz.yaml")
	if !reflect.DeepEqual(ps, sorted) {
		t.Errorf("not in order: %v", ps)
	}
}
