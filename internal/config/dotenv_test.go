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

func TestDotenv(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                     {"", ""},
		"comments and empty lines":    {"# a\n\n  # b\n\t\nA=1\n#end", "A=1"},
		"plain values":                {"A=1\nB=two words\nC=a#b\nD=\nE=x=y", "A=1|B=two words|C=a#b|D=|E=x=y"},
		"trailing space and comments": {"A=1  \nB=2 # two\nC= # empty\nD=3\t#x", "A=1|B=2|C=|D=3"},
		"an empty value, a comment":   {"A=#x", "A="},
		"export":                      {"export A=1\nexport\tB='2'", "A=1|B=2"},
		"line ends of Windows":        {"A=1\r\nB=\"x\r\ny\"\r\n", "A=1|B=x\ny"},
		"a byte order mark":           {"\uFEFFA=1", "A=1"},
		"single quotes":               {`A='$x "y" \n #z' # c` + "\nB=''", `A=$x "y" \n #z|B=`},
		"several lines":               {"KEY='-----BEGIN\nabc\n-----END'\nB=1", "KEY=-----BEGIN\nabc\n-----END|B=1"},
		"double quotes":               {`A="a \"b\" \\ \$x \t|" #c`, "A=a \"b\" \\ $x \t|"},
		"references":                  {"A=1\nB=${A}2\nC=\"${B}-${OUTER}\"\nD='${A}'", "A=1|B=12|C=12-outer|D=${A}"},
		"dollars without a name":      {"A=pa$5$$-$\nB=\"$ $1\"", "A=pa$5$$-$|B=$ $1"},
		"other letters":               {"A=größe ü", "A=größe ü"},
		"spaces in front":             {"  A=1", "A=1"},
		"no line end":                 {"A=1\nB=2", "A=1|B=2"},
	} {
		t.Run(name, func(t *testing.T) {
			variables, problems := parseDotenv(".env", []byte(c.text), getenvOf(map[string]string{"OUTER": "outer"}))
			var got []string
			for _, v := range variables {
				got = append(got, v.name+"="+v.value)
			}
			if strings.Join(got, "|") != c.want || len(problems) > 0 {
				t.Errorf("got %q, %v; want %q", got, problems, c.want)
			}
		})
	}
}

func TestDotenvProblems(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no equals sign":       {"A=1\nhidden line\nB=2", ".env:2:1: the line has no \"=\""},
		"a name":               {"1A=hidden", ".env:1:1: \"1A\" is not a name for a variable"},
		"a name with a dash":   {"LOG-LEVEL=hidden", ".env:1:1: \"LOG-LEVEL\" is not a name for a variable"},
		"no name":              {"=hidden", `.env:1:1: "" is not a name for a variable`},
		"spaces":               {"A = hidden", ".env:1:1: A: has spaces around \"=\""},
		"a space behind":       {"A= hidden", ".env:1:1: A: has spaces around \"=\""},
		"twice":                {"A=hidden\nB='x\ny'\nA=hidden", ".env:4:1: A: duplicate variable, first in line 1"},
		"an open quote":        {"A=1\nB='hidden\nC=2\n", ".env:2:3: B: has an opening ' without a closing one"},
		"an open double quote": {"A=\"hidden\n", ".env:1:3: A: has an opening \" without a closing one"},
		"text after a quote":   {"A='hidden'hidden", ".env:1:11: A: has text after its closing quote"},
		"a comment at a quote": {"A='hidden'#c", ".env:1:11: A: has text after its closing quote"},
		"an inner quote":       {"A=it's hidden", ".env:1:5: A: has the character '\\'' in a value without quotes"},
		"a backslash":          {`A=C:\hidden`, `.env:1:5: A: has the character '\\' in a value without quotes`},
		"an unknown escape":    {`A="hidden\x"`, ".env:1:10: A: has a backslash that has no meaning here"},
		"a command":            {"A=$(hidden)", ".env:1:3: A: has a \"$(\": commands are not run"},
		"a command, quoted":    {"A=\"x `hidden`\"", ".env:1:6: A: has a `: commands are not run"},
		"a bare variable":      {"A=x$HOME", ".env:1:4: A: has $HOME, which other programs read in different ways"},
		"a form of a shell":    {"A=${HOME:-x}", ".env:1:3: A: has a \"${\" that is not ${NAME}"},
		"an open brace":        {"A=${HOME", ".env:1:3: A: has a \"${\" that is not ${NAME}"},
		"an unset variable":    {"A=${UNSET}", ".env:1:3: A: the variable UNSET is not set"},
		"a later variable":     {"A=${B}\nB=1", ".env:1:3: A: the variable B is not set"},
		"no text":              {"A=\xff", ".env:1:1: the file is not UTF-8 text"},
		"a NUL":                {"A=\x00", ".env:1:1: the file has a NUL character"},
		"too large":            {strings.Repeat("#", maxEnvFile+1), ".env:1:1: the file is larger than 1MiB"},
		"a value too large":    {"A=" + strings.Repeat("x", 128<<10), ".env:1:131075: A: is longer than a program can get: 131072 bytes"},
		"too many":             {manyVariables(maxEntries + 1), ".env:1001:1: V1000: 1000 variables are enough for a file"},
		"in a later line":      {"B=\"x\ny\" z", ".env:2:3: B: has text after its closing quote"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := parseDotenv(".env", []byte(c.text), getenvOf(nil))
			if len(problems) == 0 {
				t.Fatal("no problem")
			}
			got, _, _ := strings.Cut(problems[0].String(), "\n")
			if got != c.want || strings.Contains(problems.Error(), "hidden") {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func manyVariables(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "V%d=hidden\n", i)
	}
	return b.String()
}

func FuzzDotenv(f *testing.F) {
	f.Add("A=1\nexport B='x' # c\nC=\"${A}\\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		variables, problems := parseDotenv(".env", []byte(text), getenvOf(nil))
		lines := 1 + strings.Count(text, "\n")
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 {
				t.Errorf("problem at %d:%d of %d lines", p.Line, p.Column, lines)
			}
		}
		for _, v := range variables {
			if !envName.MatchString(v.name) || v.line < 1 || v.line > lines {
				t.Errorf("variable %q in line %d of %d", v.name, v.line, lines)
			}
		}
		var quoted strings.Builder // what is read is read again from its quoted form
		for _, v := range variables {
			fmt.Fprintf(&quoted, "%s=\"%s\"\n", v.name, strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "\r", `\r`, "`", "x").Replace(v.value))
		}
		again, problems := parseDotenv(".env", []byte(quoted.String()), getenvOf(nil))
		if len(problems) > 0 || len(again) != len(variables) {
			t.Errorf("%q: %v", quoted.String(), problems)
		}
	})
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
