package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/journey"
	"github.com/tenfold-go/tenfold/internal/plan"
)

// tenfoldLoad runs the verb in this process and returns its exit code and its output.
func tenfoldLoad(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(ctx, &terminal{stdin: strings.NewReader(""), stdout: &out, stderr: &err},
		append([]string{"load"}, args...))
	return code, out.String(), err.String()
}

func TestLoadDefaultObjectiveIsValid(t *testing.T) {
	if _, err := curve.ParseObjective(defaultObjective); err != nil {
		t.Error(err)
	}
}

// One rate gives a table, a document and a page. The exit code is 3 if the objective is missed.
func TestLoadOneRate(t *testing.T) {
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	file, html := filepath.Join(dir, "a.json"), filepath.Join(dir, "a.html")
	code, stdout, stderr := tenfoldLoad(t.Context(), server.URL, "--rate", "100", "--duration", "500ms", "--warmup", "0s",
		"--objective", "errors=1%", "--json", file, "--html", html)
	if code != 3 || !strings.Contains(stderr, "objective errors=1% missed: errors ") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	for _, want := range []string{"FAIL", " × status 500", "share the cores of this machine"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the table lacks %q:\n%s", want, stdout)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var d curve.Document
	if err := json.Unmarshal(data, &d); err != nil || len(d.Steps) != 1 || d.Steps[0].Errors < 0.4 ||
		d.Steps[0].Errors > 0.6 || d.Steps[0].Offered != 100 {
		t.Errorf("%v: %s", err, data)
	}
	for _, field := range []string{"offered", "achieved", "p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms", "errors",
		"valid"} {
		if !strings.Contains(string(data), `"`+field+`": `) {
			t.Errorf("the document lacks %s", field)
		}
	}
	if page, err := os.ReadFile(html); err != nil || !strings.Contains(string(page), "status 500") {
		t.Errorf("%v: %s", err, page)
	}
}

// A test in which every request failed is no success, with any kind of load and with an objective without errors.
func TestLoadOfATargetThatOnlyFails(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	short := []string{server.URL, "--duration", "200ms", "--warmup", "0s"}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--rate", "50"}, 1, "tenfold: every request failed\nhint: "},
		{[]string{"--users", "1"}, 1, "tenfold: every request failed\nhint: "},
		{[]string{"--rate", "50", "--objective", "p99=1s"}, 3, "objective p99=1s missed: every request failed"},
		{[]string{"--rates", "50..200", "--objective", "p99=1s"}, 3, "objective p99=1s missed: every request failed"},
	} {
		code, stdout, stderr := tenfoldLoad(t.Context(), append(slices.Clone(short), test.args...)...)
		if code != test.code || !strings.Contains(stderr, test.want) || !strings.Contains(stdout, "× status 404") {
			t.Errorf("%v: exit code %d, %s%s; want %d, %q", test.args, code, stdout, stderr, test.code, test.want)
		}
	}
}

// What a URL cannot contain arrives encoded, from the command line and from a CSV file.
func TestLoadEncodesURLs(t *testing.T) {
	var mu sync.Mutex
	arrived := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		arrived[r.RequestURI] = true
	}))
	defer server.Close()
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("words.csv", "\ufefftext;n\r\nred shoe;1\r\n\u00fc;2\r\nC# & x;3\r\n")
	journey := write("j.yaml", "\ufeffdata: {words: words.csv}\r\nsteps: [{path: \"/j?q=${words.text}\"}]\r\n")
	flags := []string{"--users", "1", "--duration", "200ms", "--warmup", "0s"}
	for _, target := range [][]string{
		{server.URL + "/s?q=red shoe"}, {server.URL + "/s?q=\u00fc"}, {journey, "--target", server.URL},
	} {
		if code, stdout, stderr := tenfoldLoad(t.Context(), append(target, flags...)...); code != 0 {
			t.Errorf("%v: exit code %d, %s%s", target, code, stdout, stderr)
		}
	}
	for _, want := range []string{
		"/s?q=red%20shoe", "/s?q=%C3%BC", "/j?q=red%20shoe", "/j?q=%C3%BC", "/j?q=C%23%20%26%20x",
	} {
		if !arrived[want] {
			t.Errorf("%s did not arrive: %v", want, arrived)
		}
	}
}

// plan reads what a search writes.
func TestLoadSearchBecomesAPlan(t *testing.T) {
	gate := make(chan struct{}, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case gate <- struct{}{}: // two at a time, 40 per second
			time.Sleep(50 * time.Millisecond)
			<-gate
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	code, stdout, stderr := tenfoldLoad(t.Context(), server.URL, "--rates", "10..160", "--duration", "1s", "--warmup",
		"0s",
		"--arrivals", "even", "--objective", "errors=20%", "--json", "-")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	m, err := plan.ReadMeasured(strings.NewReader(stdout))
	if err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	if m.Knee == nil || m.Knee.Rate < 10 || m.Knee.Rate > 80 || m.Knee.High == 0 || !strings.Contains(stderr, "<- knee") {
		t.Errorf("knee %+v\n%s", m.Knee, stderr)
	}
}

// With --nodes, a real fleet is measured at each size. Each node handles 2 requests at a time, 100 ms each: 20 per
// second, even on a busy machine. A request that waits longer than 100 ms is refused. The objective counts only
// refusals, so that a slow machine does not make it fail.
func TestLoadMeasuresAFleetAtEachSize(t *testing.T) {
	const capacity, file = 20, `
store: none
services:
  shop:
    {run: [service], nodes: 1, probe: /, outlier: off, retry: off, breaker: off,
     limit: {in_flight: 2, queue: 100, wait: 100ms}}
routes: [{path: /, to: shop}]
`
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tenfold.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	x := start(t, call{dir: dir, args: []string{"load", "/small?ms=100", "-f", "tenfold.yaml", "--nodes", "1,2,3",
		"--rates", "25..400", "--duration", "600ms", "--warmup", "0s", "--arrivals", "even", "--objective", "errors=25%",
		"--json", "scaling.json", "--html", "scaling.html"}})
	<-x.exited
	if code := x.wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	x.wantAllGone()
	data, err := os.ReadFile(filepath.Join(dir, "scaling.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d curve.Document
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Scaling) != 3 || !d.SharedCores || d.Knee != nil || d.Unit != "requests/s" ||
		d.Target != "/small?ms=100 of tenfold.yaml" {
		t.Fatalf("sizes %d, shared cores %v, knee %v, unit %s, target %s", len(d.Scaling), d.SharedCores, d.Knee, d.Unit,
			d.Target)
	}
	for i, s := range d.Scaling {
		figure(t, "scaling", "nodes", s.Nodes, "knee", s.Knee.Rate, "steps", len(s.Steps))
		// The step is so short that the slots that were free at its beginning count. A quarter of the requests may be
		// refused.
		if least, most := 0.5*capacity*float64(i+1), 2.2*capacity*float64(i+1); s.Nodes != i+1 || s.Knee.Rate < least ||
			s.Knee.Rate > most || s.Knee.High == 0 {
			t.Errorf("%d nodes: knee %+v, want %v to %v", s.Nodes, s.Knee, least, most)
		}
	}
	for _, output := range []string{x.stdout.String(), string(data)} {
		if !strings.Contains(output, "shared the cores of this machine") {
			t.Errorf("the output lacks the note about shared cores:\n%s", output)
		}
	}

	code, stdout, stderr := runPlan(t, "", filepath.Join(dir, "scaling.json"), "--peak-rps", "100", "--margin", "0.2",
		"--html", filepath.Join(dir, "plan.html"))
	if code != 0 || !strings.Contains(stdout, "NODES") || !strings.Contains(stdout, "through 3 points") ||
		!strings.Contains(stdout, "shared the cores") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// The first Ctrl-C ends the step, and its results are printed as incomplete.
func TestLoadInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if n.Add(1) == 20 {
			cancel()
		}
	}))
	defer server.Close()
	code, stdout, stderr := tenfoldLoad(ctx, server.URL, "--rate", "100", "--duration", "1h", "--warmup", "0s")
	if code != 1 || !strings.Contains(stdout, "incomplete") || !strings.Contains(stderr, "interrupted") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// If one file cannot be written any more, the table and the other file still appear.
func TestLoadKeepsTheMeasurement(t *testing.T) {
	dir := t.TempDir()
	removed, page := filepath.Join(dir, "removed"), filepath.Join(dir, "a.html")
	if err := os.Mkdir(removed, 0o700); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { os.Remove(removed) }))
	defer server.Close()
	code, stdout, stderr := tenfoldLoad(t.Context(), server.URL, "--rate", "50", "--duration", "200ms", "--warmup", "0s",
		"--json", filepath.Join(removed, "a.json"), "--html", page)
	if code != exitError || !strings.Contains(stderr, "write document: ") || !strings.Contains(stdout, "achieved") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "</html>") &&
		!strings.Contains(string(text), "</table>") {
		t.Errorf("%v: %s", err, text)
	}
}

// Ctrl-C during the measurement of a fleet keeps the results of the fleets before it.
func TestLoadInterruptedBetweenSizes(t *testing.T) {
	const file = `
store: none
services: {shop: {run: [service], nodes: 1, probe: /}}
routes: [{path: /, to: shop}]
`
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tenfold.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	x := start(t, call{dir: dir, args: []string{"load", "/small", "--nodes", "1,2,3,4,5,6,7,8", "--rates", "5..10",
		"--duration", "1s", "--warmup", "0s",
		"--arrivals", "even", "--objective", "errors=90%", "--json", "scaling.json"}})
	x.stderr.await(x, "\n2 nodes:")
	x.signal(os.Interrupt)
	if code := x.wait(); code != exitError || !strings.Contains(x.stderr.String(), "interrupted") {
		t.Errorf("exit code %d", code)
	}
	x.wantAllGone()
	var d curve.Document
	data, err := os.ReadFile(filepath.Join(dir, "scaling.json"))
	if err == nil {
		err = json.Unmarshal(data, &d)
	}
	if err != nil || !d.Incomplete || len(d.Scaling) == 0 || len(d.Scaling) == 8 || d.Scaling[0].Nodes != 1 ||
		len(d.Scaling[0].Steps) == 0 {
		t.Fatalf("%v: %s", err, data)
	}
	if table := x.stdout.String(); !strings.Contains(table, "nodes") || !strings.Contains(table, "1 node: ") ||
		!strings.Contains(table, "achieved") {
		t.Errorf("the table lacks the first size:\n%s", table)
	}
}

// Ctrl-C before the first measurement leaves no step without results.
func TestLoadInterruptedInWarmup(t *testing.T) {
	for _, kind := range [][]string{{"--rate", "100"}, {"--users", "2"}, {"--rates", "100..200"}} {
		ctx, cancel := context.WithCancel(t.Context())
		var n atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			if n.Add(1) == 3 { // the first request is the check before the load
				cancel()
			}
		}))
		defer server.Close()
		code, stdout, stderr := tenfoldLoad(ctx, append([]string{server.URL, "--warmup", "1h", "--json", "-"}, kind...)...)
		var d curve.Document
		err := json.Unmarshal([]byte(stdout), &d)
		if err != nil || code != exitError || len(d.Steps) != 0 || !d.Incomplete ||
			!strings.Contains(stderr, "nothing was measured") {
			t.Errorf("%v: exit code %d, %v\n%s%s", kind, code, err, stdout, stderr)
		}
	}
}

// writeShown writes the code blocks of a page that have a file name into the current directory.
func writeShown(t *testing.T, name string) {
	t.Helper()
	for i, block := range strings.Split(document(t, name), "```") {
		head, body, _ := strings.Cut(block, "\n")
		if _, file, ok := strings.Cut(head, " "); ok && i%2 == 1 {
			if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The journeys of the documentation and of the shop are valid, and so are the commands of the documentation.
func TestLoadDocumentationIsValid(t *testing.T) {
	t.Chdir(t.TempDir())
	writeShown(t, "docs/load.md")
	for file, kinds := range map[string]int{
		"journey.yaml": 2, "checkout.yaml": 1, filepath.Join(repository, "examples/shop/journey.yaml"): 3,
	} {
		if j, err := journey.Load(file); err != nil || len(j.Visitors) != kinds {
			t.Errorf("%s: %v", file, err)
		}
	}
	n := 0
	for line := range strings.Lines(document(t, "docs/load.md")) {
		args, ok := strings.CutPrefix(line, "$ tenfold ")
		if !ok {
			continue
		}
		n++
		parser, err := kong.New(&cli{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(strings.Fields(args)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if n < 8 {
		t.Errorf("%d commands, want at least 8", n)
	}
}

// The journey of docs/load.md works in the demo.
func TestLoadJourneyWorksInTheDemo(t *testing.T) {
	t.Chdir(t.TempDir())
	writeShown(t, "docs/load.md")
	x := demo(t, "--nodes", "1")
	code, stdout, stderr := tenfoldLoad(t.Context(), "journey.yaml", "--target", x.url, "--rate", "4",
		"--duration", "2s", "--warmup", "0s",
		"--timeout", "1m", "--json", "-")
	var d curve.Document
	if err := json.Unmarshal([]byte(stdout), &d); err != nil || code != 0 || len(d.Steps) != 1 ||
		d.Steps[0].Requests == 0 || d.Steps[0].Errors > 0 {
		t.Errorf("exit code %d, %v\n%s%s", code, err, stderr, stdout)
	}
	x.stop()
}

// The session with the shop in docs/load.md works: its file is valid, its journey orders in that shop, and its plan
// follows from the shown curve.
func TestLoadSessionOfTheShop(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	writeShown(t, "docs/load.md")
	if out, err := exec.Command("tenfold", "check", "-f", "tenfold.yaml").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	shop := up(t, call{dir: dir, args: []string{"-f", "tenfold.yaml"}})
	code, stdout, stderr := tenfoldLoad(t.Context(), "checkout.yaml", "--target", shop.url, "--rate", "4",
		"--duration", "3s", "--warmup", "0s",
		"--arrivals", "even", "--timeout", "1m", "--json", "-")
	var d curve.Document
	if err := json.Unmarshal([]byte(stdout), &d); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v: %s", code, err, stderr)
	}
	if s := d.Steps[0]; s.Requests < 4 || s.Errors > 0 || s.Max < 1000 { // a payment takes a second
		t.Errorf("%d requests, %v failed: %v; the slowest request took %v ms", s.Requests, s.Errors, s.ErrorKinds, s.Max)
	}
	shop.stop()

	text := document(t, "docs/load.md")
	planned := 0
	for _, block := range strings.Split(text, "```console\n$ tenfold plan scaling.json ")[1:] {
		block, _, _ = strings.Cut(block, "```")
		args, want, _ := strings.Cut(block, "\n")
		_, stdout, stderr := runPlan(t, "", append([]string{"scaling.json"}, strings.Fields(args)...)...)
		if want != "" && stdout != want {
			t.Errorf("plan %s: %s\n%s\nthe page shows\n%s", args, stderr, stdout, want)
		} else if want != "" {
			planned++
		}
	}
	if planned != 1 {
		t.Errorf("the page shows %d plans, want 1", planned)
	}
}
