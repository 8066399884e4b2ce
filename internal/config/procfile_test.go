package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// writeProject writes a Procfile and a .env, and returns the name of the first.
func writeProject(t *testing.T, text, env string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"Procfile": text, ".env": env} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "Procfile")
}

func TestProcfile(t *testing.T) {
	path := writeProject(t, "# a shop\r\nweb: node server.js -p $PORT\n\nmail_worker:bundle exec sidekiq\nrelease: ./migrate && ./seed\nadmin: server --port ${PORT}\n",
		"SECRET=hidden\nREDIS_URL=redis://:hidden@db:6379\n")
	f, err := LoadProcfile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range f.Services {
		got = append(got, fmt.Sprint(s.Name, " ", s.Run, " ", s.InitialNodes(), " ", s.MaxNodes, " ", s.Worker, " ", s.Environment()["SECRET"]))
	}
	want := []string{
		"web [sh -c exec node server.js -p $PORT] 2 1000 false hidden",
		"mail-worker [sh -c exec bundle exec sidekiq] 1 1000 true hidden",
		"admin [sh -c exec server --port ${PORT}] 1 1000 true hidden",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if web := f.service("web"); !slices.Equal(web.Before, []string{"sh", "-c", "./migrate && ./seed"}) || web.Dir != filepath.Dir(path) {
		t.Errorf("web has %+v", web)
	}
	if len(f.Routes) != 1 || f.Routes[0].To != "web" || f.Routes[0].Path != "/" {
		t.Errorf("routes %+v", f.Routes)
	}
	var notes []string
	for _, n := range f.Notes() {
		notes = append(notes, n.Message)
	}
	text := strings.Join(notes, "\n")
	if !strings.HasPrefix(text, "web (2 nodes) gets all requests; mail-worker (1 node) is a worker; admin (1 node) is a worker; "+
		"release runs before new nodes of web start; the environment is that of ") ||
		!strings.Contains(text, "admin uses $PORT, but as a worker it gets no requests and no PORT") || strings.Contains(text, "hidden") {
		t.Errorf("notes:\n%s", text)
	}
	if err := f.UseStoreVariable(func(string) string { return "" }); err != nil || f.Store != "redis://:hidden@db:6379" {
		t.Errorf("the store is %s, %v", f.Store, err)
	}

	// The effective file means the same.
	f, _ = LoadProcfile(path)
	again, err := Parse("tenfold.yaml", f.YAML(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range again.Services {
		if !SameProgram(&again.Services[i], &f.Services[i]) || !slices.Equal(again.Services[i].Before, f.Services[i].Before) {
			t.Errorf("the effective file has another program for %s", f.Services[i].Name)
		}
	}
}

func TestLinesForAShell(t *testing.T) {
	for line, want := range map[string]string{
		"node server.js":                   "exec node server.js",
		"node server.js > log 2>/dev/null": "exec node server.js > log 2>/dev/null",
		"exec node x":                      "exec node x",
		"cd app && node x":                 "cd app && node x",
		"cd app":                           "cd app",
		"cdx app":                          "exec cdx app",
		"A=1 node x":                       "A=1 node x",
		"env A=1 node x":                   "exec env A=1 node x",
		"a; b":                             "a; b",
		"a | b":                            "a | b",
		"(a)":                              "(a)",
		"node `which x`":                   "node `which x`",
		"./run.sh $PORT":                   "exec ./run.sh $PORT",
		". ./env.sh":                       ". ./env.sh",
		"if true":                          "if true",
	} {
		if got := shellCommand(line); got[2] != want || got[0] != "sh" || got[1] != "-c" {
			t.Errorf("%q runs as %q, want %q", line, got, want)
		}
	}
}

func TestProcfileProblems(t *testing.T) {
	for name, c := range map[string]struct{ text, env, want string }{
		"no process":       {"# nothing\n", "", "Procfile:1:1: the file has no process"},
		"no web":           {"worker: x\n", "", "Procfile:1:1: no process has the name web"},
		"no command":       {"a: x\nweb:\n", "", "Procfile:2:1: web: has no command"},
		"no process line":  {"web: x\nnode server.js\n", "", "Procfile:2:1: the line is not a process"},
		"twice":            {"web: x\na_b: x\nA-B: y\n", "", "Procfile:3:1: A-B: duplicate process, first in line 2"},
		"a name":           {"web: x\n1st: x\n", "", "Procfile:2:1: 1st: is not a name for a service"},
		"no text":          {"web: \xff\n", "", "Procfile:1:1: the file is not text"},
		"a bad .env":       {"web: x\nworker: y\n", "A = 1\n", ".env:1:1: A: has spaces around \"=\""},
		"too many lines":   {"web: x\n" + manyProcesses(1001), "", "Procfile:1001:1: P999: 1000 processes are enough"},
		"several problems": {"web: x\nb c\n", "A = 1\n", "2 problems in "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LoadProcfile(writeProject(t, c.text, c.env))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if _, err := LoadProcfile(filepath.Join(t.TempDir(), "Procfile")); !os.IsNotExist(err) {
		t.Errorf("a missing file: %v", err)
	}
}

func manyProcesses(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "P%d: x\n", i)
	}
	return b.String()
}

func FuzzProcfile(f *testing.F) {
	f.Add("web: node $PORT\nworker_1: a && b\n# c")
	f.Fuzz(func(t *testing.T, text string) {
		lines, problems := parseProcfile([]byte(text))
		if len(lines) == 0 && len(problems) == 0 {
			t.Error("neither a process nor a problem")
		}
		for _, l := range lines {
			if checkServiceName(l.name) != nil || l.command == "" || l.line < 1 {
				t.Errorf("process %+v", l)
			}
		}
	})
}

func TestTheCommandLineHasNameStickyAndVariables(t *testing.T) {
	t.Chdir(filepath.Dir(writeProject(t, "web: x", "A=1\nPORT=3000\n")))
	os.WriteFile("other.env", []byte("A=2\n"), 0o600)
	os.WriteFile("bad.env", []byte("A = 2\n"), 0o600)
	c, err := Command([]string{"app"}, &CommandOptions{Name: "shop", Sticky: "id", Nodes: "3"})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Parse("running", c.File(), nil); err != nil || again.Services[0].MinNodes != 1 || again.Services[0].MaxNodes != 1000 {
		t.Errorf("after an upgrade the number of nodes has other bounds: %v", err)
	}
	if s := c.Services[0]; s.Name != "shop" || s.Sticky != "id" || s.InitialNodes() != 3 || s.MinNodes != 1 || s.MaxNodes != 1000 || s.Environment()["A"] != "1" {
		t.Errorf("got %+v", s)
	}
	for _, x := range []struct {
		o    CommandOptions
		a    string
		want string
	}{
		{CommandOptions{EnvFile: "other.env"}, "2", ""},
		{CommandOptions{EnvFile: "off"}, "", ""},
		{CommandOptions{EnvFile: "missing.env"}, "", "--env-file: cannot read "},
		{CommandOptions{EnvFile: "bad.env"}, "", "bad.env:1:1: A: has spaces"},
		{CommandOptions{Name: "My Shop"}, "", `--name: "My Shop" is not a name for a service`},
		{CommandOptions{Sticky: "a b"}, "", `--sticky: "a b" is not a name for a cookie`},
	} {
		c, err := Command([]string{"app"}, &x.o)
		if x.want != "" {
			if err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%+v: %v, want %s", x.o, err, x.want)
			}
		} else if err != nil || c.Services[0].Environment()["A"] != x.a {
			t.Errorf("%+v: %v", x.o, err)
		}
	}
}
