package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runPlan runs "tenfold plan" with args.
func runPlan(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), &terminal{stdin: strings.NewReader(stdin), stdout: &out, stderr: &errs}, append([]string{"plan"}, args...))
	return code, out.String(), errs.String()
}

// Wrong input is one clear message and exit code 2, and leaves nothing behind.
func TestPlanRefusesBadInput(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	cut := file("cut.json", `{"scaling": [{"nodes": 1,`)
	short := file("short.csv", "type,vcpu,usd_hour,as_of\nsmall,2\n")
	page := filepath.Join(dir, "plan.html")

	for _, c := range []struct{ args, stdin, want string }{
		{"", "", "nothing can be planned from this"},
		{"--current-rps 500 --peak-rps 50", "", "rates upside down"},
		{"--peak-rps=-5 --node-rps 10", "", `"-5": it cannot be negative`},
		{"--peak-rps -5 --node-rps 10", "", "tenfold: --peak-rps: \"-5\": it cannot be negative\n"},
		{"--peak-rps NaN --node-rps 10", "", `"NaN" is not a number`},
		{"--peak-rps 100 --node-rps Inf", "", "too large"},
		{"--peak-rps 100 --scaling 1=100,2=190", "", "2 measured fleet sizes cannot"},
		{"--peak-rps 100 --scaling 1=100,2", "", `"2" is not a point`},
		{"--peak-rps 100 --node-rps 10 --margin 30", "", "30%"},
		{"--peak-rps 100 --node-rps 10 --efficiency 0", "", "an efficiency is more than 0"},
		{"--peak-rps 100 --node-rps 10 --unknown", "", "unknown flag --unknown"},
		{"--peak-rps 100 missing.json", "", "missing.json: no such file"},
		{"--peak-rps 100 " + cut, "", "cut.json: it is not a load document: unexpected EOF"},
		{"--peak-rps 100 -", "", "read standard input: it is empty"},
		{"--peak-rps 100 -", "[1,2]", "read standard input: it is not a load document"},
		{"--peak-rps 100 -", `{"knee": {"rate": -1}}`, "a knee of -1 rps"},
		{"--peak-rps 100 -", `{"steps": []}`, "neither"},
		{"--peak-rps 100 -", strings.Repeat(" ", 17<<20), "larger than 16 MiB"},
		{"--peak-rps 100 --node-rps 10 --prices " + short, "", "short.csv: record on line 2: wrong number of fields"},
		{"--peak-rps 100 --node-rps 10 --instance abacus", "", `"abacus" is not in the price file`},
	} {
		code, stdout, stderr := runPlan(t, c.stdin, append(strings.Fields(c.args), "--html", page)...)
		if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "tenfold: ") || !strings.Contains(stderr, c.want) {
			t.Errorf("plan %s: exit code %d, stdout %q, stderr %q; want 2, nothing, %q", c.args, code, stdout, stderr, c.want)
		}
		if lines := strings.Count(stderr, "\n"); lines > 2 {
			t.Errorf("plan %s: %d lines, want a message and a hint: %s", c.args, lines, stderr)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.html*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A page that cannot be written fails whole: no plan on stdout that looks as if all went well, no half of a page.
func TestPlanPageIsWrittenWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "plan.html")
	if code, stdout, _ := runPlan(t, "", "--peak-rps", "100", "--node-rps", "10", "--html", filepath.Join(dir, "no", "plan.html")); code != exitUsage || stdout != "" {
		t.Errorf("exit code %d, stdout %q", code, stdout)
	}
	if code, _, stderr := runPlan(t, "", "--peak-rps", "100", "--node-rps", "10", "--html", page); code != 0 {
		t.Fatal(stderr)
	}
	first, err := os.ReadFile(page)
	if err != nil || !bytes.Contains(first, []byte("</html>")) {
		t.Errorf("%v, %.40q", err, first)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestPlanJSONIsOneDocument(t *testing.T) {
	code, stdout, stderr := runPlan(t, "", "--peak-rps", "50000", "--node-rps", "2000", "--margin", "0.3", "--efficiency", "1", "--json")
	var doc struct {
		Nodes     int
		Reachable bool
		Reasons   []string
	}
	if err := json.Unmarshal([]byte(stdout), &doc); err != nil || code != 0 || stderr != "" {
		t.Fatalf("exit code %d, %v, %s", code, err, stderr)
	}
	if doc.Nodes != 33 || !doc.Reachable || len(doc.Reasons) == 0 {
		t.Errorf("got %+v", doc)
	}
}

// What docs/plan.md and the help text show has to run: the blocks with a file name are its files, in the same folder.
func TestPlanDocumentationRuns(t *testing.T) {
	text, err := os.ReadFile("../../docs/plan.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	commands := 0
	for i, block := range strings.Split(string(text), "```") {
		head, body, _ := strings.Cut(block, "\n")
		if i%2 == 0 {
			continue
		}
		if _, name, ok := strings.Cut(head, " "); ok {
			if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if head == "console" {
			commands += runCommands(t, body)
		}
	}
	commands += runCommands(t, strings.ReplaceAll(planCmd{}.Help(), "    tenfold plan", "$ tenfold plan"))
	if commands < 15 {
		t.Errorf("only %d commands found", commands)
	}
}

// runCommands runs the lines that begin with "$ tenfold plan" and counts them.
func runCommands(t *testing.T, text string) (n int) {
	t.Helper()
	for line := range strings.Lines(text) {
		if args, ok := strings.CutPrefix(line, "$ tenfold plan "); ok {
			n++
			if code, stdout, stderr := runPlan(t, "", strings.Fields(args)...); code != 0 || stderr != "" || stdout == "" {
				t.Errorf("%s: exit code %d, stderr %s", strings.TrimSpace(line), code, stderr)
			}
		}
	}
	return n
}
