package main

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// frameworks are the sections of docs/frameworks.md that are tested: a directory of testdata/apps and what it needs.
var frameworks = map[string]struct {
	dir, program, debian string
	module               []string // a command that fails when the framework is not installed; nil for none
}{
	"Flask":                      {"flask", "gunicorn", "gunicorn python3-flask", []string{"/usr/bin/python3", "-c", "import flask"}},
	"Django":                     {"django", "gunicorn", "gunicorn python3-django", []string{"/usr/bin/python3", "-c", "import django"}},
	"FastAPI":                    {"fastapi", "uvicorn", "uvicorn python3-fastapi", []string{"/usr/bin/python3", "-c", "import fastapi"}},
	"Sinatra":                    {"sinatra", "puma", "puma ruby-sinatra", []string{"ruby", "-e", `require "sinatra/base"`}},
	"Express":                    {"express", "node", "nodejs", nil},
	"Python without a framework": {"python", "python3", "python3", nil},
}

// TestFrameworksOfTheDocs runs each start line that docs/frameworks.md calls tested: the unchanged service runs on two nodes,
// both are replaced under load without a failed request, and it stops.
func TestFrameworksOfTheDocs(t *testing.T) {
	tested, _, _ := strings.Cut(document(t, "docs/frameworks.md"), "## Not tested")
	sections := regexp.MustCompile("(?s)### ([^\n]+)\n\n```sh\n(tenfold up [^\n]+)\n```").FindAllStringSubmatch(tested, -1)
	if len(sections) != len(frameworks) {
		t.Errorf("docs/frameworks.md has %d tested lines; the test knows %d", len(sections), len(frameworks))
	}
	for _, s := range sections {
		name, line := s[1], s[2]
		t.Run(name, func(t *testing.T) {
			f, ok := frameworks[name]
			if !ok {
				t.Fatalf("the test does not know %q", name)
			}
			needs(t, f.program, f.debian)
			if f.module != nil {
				if out, err := exec.Command(f.module[0], f.module[1:]...).CombinedOutput(); err != nil {
					missing(t, "apt-get install "+f.debian+": "+string(out))
				}
			}
			runFramework(t, filepath.Join("testdata/apps", f.dir), line)
		})
	}
}

// runFramework types the start line in the directory of the service, as a user does.
func runFramework(t *testing.T, dir, line string) {
	t.Helper()
	before, command, ok := strings.Cut(line, " -- ")
	if !ok || before != "tenfold up" {
		t.Fatalf("the line is not tenfold up -- COMMAND: %s", line)
	}
	var env []string
	if filepath.Base(dir) == "express" {
		env = []string{"NODE_PATH=" + nodeModules(t)}
	}
	args := []string{"--access", "off", "--store", "none", "--"}
	for _, word := range strings.Fields(command) {
		args = append(args, strings.Trim(word, "'"))
	}
	x := up(t, call{dir: dir, args: args, env: env})
	old := x.nodes()
	if len(old) != 2 {
		t.Fatalf("%d nodes run; want 2", len(old))
	}
	service := x.services()[0].Name
	seen := map[string]bool{}
	l := offer(x, 20, func(int) *http.Request { return request("GET", "/") })
	x.await("100 responses", func() bool { return l.soFar() > 100 })
	x.verb("restart", service)
	l2 := l.soFar()
	x.await("100 more responses", func() bool { return l.soFar() > l2+100 })
	answers := l.end()
	noneFailed(t, answers)
	for _, a := range answers {
		seen[a.body] = true
	}
	for _, n := range append(old, x.nodes()...) {
		if !seen[n.ID] {
			t.Errorf("no response of %s; responses came from %v", n.ID, seen)
		}
	}
	x.stop()
}
