package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
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

// Wrong input gives one message and exit code 2, and writes no file.
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
		{"", "", "the inputs are not enough for a plan"},
		{"--current-rps 500 --peak-rps 50", "", "--peak-rps 50 rps is below --current-rps 500 rps"},
		{"--peak-rps=-5 --node-rps 10", "", `"-5": want a value that is not negative`},
		{"--peak-rps -5 --node-rps 10", "", "tenfold: --peak-rps: \"-5\": want a value that is not negative\n"},
		{"--peak-rps NaN --node-rps 10", "", `"NaN" is not a number`},
		{"--peak-rps 100 --node-rps Inf", "", "too large"},
		{"--peak-rps 100 --scaling 1=100,2=190", "", "measured fleet sizes: 2, but a fit"},
		{"--peak-rps 100 --scaling 1=100,2", "", `"2" is not a point`},
		{"--peak-rps 100 --node-rps 10 --margin 30", "", "30%"},
		{"--peak-rps 100 --node-rps 10 --efficiency 0", "", "--efficiency: want above 0, up to 1"},
		{"--peak-rps 100 --node-rps 10 --unknown", "", "unknown flag --unknown"},
		{"--peak-rps 100 missing.json", "", "missing.json: no such file"},
		{"--peak-rps 100 " + cut, "", "cut.json: not a load document: unexpected EOF"},
		{"--peak-rps 100 -", "", "read standard input: the document is empty"},
		{"--peak-rps 100 -", "[1,2]", "read standard input: not a load document"},
		{"--peak-rps 100 -", `{"knee": {"rate": -1}}`, "read standard input: knee rate -1"},
		{"--peak-rps 100 -", `{"steps": []}`, "no knee and no fleet sizes\nhint: tenfold load --rates LO..HI searches a knee\n"},
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
	if pages, _ := filepath.Glob(filepath.Join(dir, "*.html*")); len(pages) > 0 {
		t.Errorf("files were written: %v", pages)
	}
}

// If the page cannot be written, nothing is printed and no part of a page is written.
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
		t.Errorf("files besides the page: %v", entries)
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

// The commands in docs/plan.md and in the help text run. A block of docs/plan.md with a file name is a file of the commands.
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

// A message about an input names its flag, so each name must be a flag of the verb.
func TestPlanTermsAreFlags(t *testing.T) {
	_, help, _ := runPlan(t, "", "--help")
	for field, flag := range planTerms.Inputs {
		if !regexp.MustCompile(`(?m)^\s+` + flag + `(=|\s|$)`).MatchString(help) {
			t.Errorf("%s: %s is not a flag", field, flag)
		}
	}
	if n := len(regexp.MustCompile(`(?m)^\s+--[a-z]`).FindAllString(help, -1)); n < len(planTerms.Inputs) {
		t.Errorf("%d flags for %d inputs", n, len(planTerms.Inputs))
	}
}
