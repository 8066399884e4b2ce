package kittest

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	rootModule = "github.com/tenfold-go/tenfold"
	kitModule  = rootModule + "/kit"
)

// TestModulesBuildWithoutTheWorkspace builds both modules as a user gets them. The root module gets kit from a module
// proxy and not from go.work.
func TestModulesBuildWithoutTheWorkspace(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: compiles both modules")
	}
	root, version, env := publishKit(t)
	t.Run("kit", func(t *testing.T) {
		run(t, filepath.Join(root, "kit"), append(env, "GOFLAGS=-mod=readonly"), "go", "build", "./...")
	})
	t.Run("root", func(t *testing.T) {
		// The root's go.mod requires kit only after the first release, so this copy adds the requirement.
		modfile := filepath.Join(t.TempDir(), "go.mod")
		copyFile(t, filepath.Join(root, "go.sum"), filepath.Join(filepath.Dir(modfile), "go.sum"))
		copyFile(t, filepath.Join(root, "go.mod"), modfile)
		run(t, root, env, "go", "mod", "edit", "-require="+kitModule+"@"+version, modfile)
		run(t, root, env, "go", "build", "-modfile="+modfile, "./...")
	})
}

// TestProgramWithSessionsNeedsOnlyRueidis writes a program that imports only kit/session, and checks the modules that
// it needs.
func TestProgramWithSessionsNeedsOnlyRueidis(t *testing.T) {
	_, version, env := publishKit(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"),
		"module example.com/program\n\ngo 1.26.0\n\nrequire "+kitModule+" "+version+"\n")
	write(t, filepath.Join(dir, "main.go"),
		"package main\n\nimport \""+kitModule+"/session\"\n\nfunc main() { session.New(nil, nil) }\n")
	run(t, dir, env, "go", "mod", "tidy")
	run(t, dir, env, "go", "build", "-o", os.DevNull, ".")

	const rueidis = "github.com/redis/rueidis"
	allowed := requirements(t, env, dir, "-m", rueidis)
	for _, module := range []string{kitModule, rueidis} {
		allowed[module] = true
	}
	for module := range requirements(t, env, dir) {
		if !allowed[module] {
			t.Errorf("go.mod requires %s, which neither kit/session nor rueidis needs", module)
		}
	}
	compiled := lines(run(t, dir, env, "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "."))
	t.Logf("figure: a program that imports only kit/session compiles packages of %s", strings.Join(compiled, ", "))
	edges := lines(run(t, dir, env, "go", "mod", "graph"))
	for i, edge := range edges {
		edges[i] = strings.Replace(strings.ReplaceAll(edge, version, "vX.Y.Z"), " ", " -> ", 1)
	}
	t.Logf("figure: its module graph: %s", strings.Join(edges, "; "))
}

// publishKit writes the working tree of kit to a module proxy in a directory, and returns the root of the repository,
// the version of kit and the environment of commands that use the proxy.
func publishKit(t *testing.T) (root, version string, env []string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	version = fmt.Sprintf("v0.0.1-test.%d", os.Getpid())
	proxy := t.TempDir()
	versions := filepath.Join(proxy, kitModule, "@v")
	write(t, filepath.Join(versions, "list"), version+"\n")
	write(t, filepath.Join(versions, version+".info"), fmt.Sprintf("{%q: %q}", "Version", version))
	copyFile(t, filepath.Join(root, "kit/go.mod"), filepath.Join(versions, version+".mod"))
	zipModule(t, filepath.Join(root, "kit"), kitModule+"@"+version, filepath.Join(versions, version+".zip"))

	env = []string{"GOWORK=off", "GOSUMDB=off", "GOFLAGS=-mod=mod -modcacherw",
		"GOPROXY=file://" + filepath.ToSlash(proxy) + "," + strings.TrimSpace(run(t, root, nil, "go", "env", "GOPROXY"))}
	cache := strings.TrimSpace(run(t, root, nil, "go", "env", "GOMODCACHE"))
	t.Cleanup(func() {
		os.RemoveAll(filepath.Join(cache, kitModule+"@"+version))
		stored, _ := filepath.Glob(filepath.Join(cache, "cache/download", kitModule, "@v", version+".*"))
		for _, file := range stored {
			os.Remove(file)
		}
	})
	return root, version, env
}

// zipModule writes a module zip: all files of dir, with the prefix "module@version/".
func zipModule(t *testing.T, dir, prefix, file string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		w, err := z.Create(prefix + "/" + filepath.ToSlash(name))
		if err != nil {
			return err
		}
		r, err := os.Open(path)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(w, r)
		return err
	})
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// requirements returns the modules that a go.mod requires: that of the program in dir or, with "-m" and a module, that
// of the module.
func requirements(t *testing.T, env []string, dir string, module ...string) map[string]bool {
	t.Helper()
	goMod := filepath.Join(dir, "go.mod")
	if len(module) > 0 {
		goMod = strings.TrimSpace(run(t, dir, env, "go", append([]string{"list", "-f", "{{.GoMod}}"}, module...)...))
	}
	var parsed struct{ Require []struct{ Path string } }
	if err := json.Unmarshal([]byte(run(t, dir, env, "go", "mod", "edit", "-json", goMod)), &parsed); err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, r := range parsed.Require {
		all[r.Path] = true
	}
	return all
}

// run runs a command in a directory and returns its standard output.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// lines returns the different lines of a text that are not empty, sorted.
func lines(text string) []string {
	set := map[string]bool{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			set[line] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, string(text))
}

// TestKitRequiresOnlyItsClients reads kit/go.mod. A package of kit needs only the client of its store, also in its
// tests.
func TestKitRequiresOnlyItsClients(t *testing.T) {
	want := []string{"github.com/maypok86/otter/v2", "github.com/redis/rueidis"}
	var parsed struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal([]byte(run(t, "../../kit", nil, "go", "mod", "edit", "-json")), &parsed); err != nil {
		t.Fatal(err)
	}
	var direct []string
	for _, r := range parsed.Require {
		if !r.Indirect {
			direct = append(direct, r.Path)
		}
	}
	if slices.Sort(direct); !slices.Equal(direct, want) {
		t.Errorf("kit/go.mod requires %q, want %q", direct, want)
	}
}
