package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func getenvOf(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

func TestEnvFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"base.env":  "A=base\nB=base\nC=base\nPORT=3000\nTENFOLD_ADMIN=x\n",
		"later.env": "B=later\nC=later\nD=${A}/${OUTER}\n",
		"bad.env":   "A=$(hidden)\nB = hidden\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := &Options{Dir: dir, Getenv: getenvOf(map[string]string{"OUTER": "outer"})}
	parse := func(text string) (*Config, error) { return Parse("tenfold.yaml", []byte(text), o) }
	cfg, err := parse("services: {web: {run: [web], env: {C: own}, env_file: [base.env, later.env]}}")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"A": "base", "B": "later", "C": "own", "D": "base/outer"}
	if got := cfg.Services[0].Environment(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	var notes []string
	for _, n := range cfg.Notes() {
		notes = append(notes, n.Path+": "+n.Message)
	}
	if !slices.Equal(notes, []string{"services.web.env_file: PORT is ignored: tenfold sets it for each node",
		"services.web.env_file: TENFOLD_ADMIN is ignored: tenfold sets it for each node"}) {
		t.Errorf("notes %q", notes)
	}
	if text := string(cfg.YAML()); !strings.Contains(text, "env_file: ["+filepath.Join(dir, "base.env")+", ") || strings.Contains(text, "later/") {
		t.Errorf("the effective file is\n%s", text)
	}

	// A process that continues does not read the files again.
	continued, err := Parse("running", cfg.File(), &Options{Dir: t.TempDir()})
	if err != nil || !SameProgram(&continued.Services[0], &cfg.Services[0]) {
		t.Errorf("another program after an upgrade: %v", err)
	}
	// A version that the fleet keeps travels as JSON.
	var kept Service
	if text, err := json.Marshal(&cfg.Services[0]); err != nil || json.Unmarshal(text, &kept) != nil {
		t.Fatalf("as JSON: %s, %v", text, err)
	}
	if got := kept.Environment(); !maps.Equal(got, want) || !SameProgram(&kept, &cfg.Services[0]) {
		t.Errorf("after an upgrade, the environment is %v, want %v", got, want)
	}
	if changes := Diff(&Config{Services: []Service{kept}}, &Config{Services: cfg.Services}); len(changes) > 0 {
		t.Errorf("after an upgrade, these seem to be changes: %v", changes)
	}

	// A change of a value is a change of the program, and a difference without the value.
	os.WriteFile(filepath.Join(dir, "later.env"), []byte("B=changed\nC=later\nE=1\n"), 0o600)
	after, err := parse("services: {web: {run: [web], env: {C: own}, env_file: [base.env, later.env]}}")
	if err != nil {
		t.Fatal(err)
	}
	if SameProgram(&cfg.Services[0], &after.Services[0]) {
		t.Error("a changed variable of a file is the same program")
	}
	var changes []string
	for _, c := range Diff(cfg, after) {
		changes = append(changes, fmt.Sprint(c))
	}
	if !slices.Equal(changes, []string{"{services.web.env_file.B change *** ***}", "{services.web.env_file.D remove *** }", "{services.web.env_file.E add  ***}"}) {
		t.Errorf("changes %q", changes)
	}

	// Problems name the file and the line, once for several services, after those of the file itself.
	_, err = parse("services:\n  web: {run: [web], env_file: bad.env, nods: 1}\n  api: {run: [api], env_file: [bad.env, missing.env]}\nroutes: [{to: web}]\n")
	text := fmt.Sprint(err)
	order := []string{"tenfold.yaml:2:40: services.web.nods: unknown field", "tenfold.yaml:3:41: services.api.env_file[1]: cannot read ",
		"bad.env:1:3: A: has a \"$(\": commands are not run", "bad.env:2:1: B: has spaces around \"=\""}
	for _, part := range order {
		_, rest, found := strings.Cut(text, part)
		if !found || strings.Contains(rest, "bad.env:1:3") && strings.Contains(part, "bad.env:1:3") {
			t.Errorf("want %q next, or once, in:\n%v", part, err)
		}
		text = rest
	}
}

func TestALiteralVariableInEnvIsNoted(t *testing.T) {
	cfg, err := Parse("tenfold.yaml", []byte(`services: {web: {run: [web], env: {A: "$HOME/x", B: "${HOME}", C: "$${x}", D: "5$", E: "${SECRET}"}}}`),
		&Options{Getenv: getenvOf(map[string]string{"HOME": "/home/me", "SECRET": "pa$word"})})
	if err != nil {
		t.Fatal(err)
	}
	var notes []string
	for _, n := range cfg.Notes() {
		notes = append(notes, n.Path)
	}
	if !slices.Equal(notes, []string{"services.web.env.A"}) {
		t.Errorf("notes about %q", notes)
	}
}
