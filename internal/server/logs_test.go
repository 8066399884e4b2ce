package server

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// open returns logs and what they write to standard output and standard error.
func open(t *testing.T, o LogOptions) (l *Logs, stdout, stderr *bytes.Buffer) {
	t.Helper()
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	o.Stdout, o.Stderr = stdout, stderr
	l, err := OpenLogs(&o)
	if err != nil {
		t.Fatal(err)
	}
	return l, stdout, stderr
}

func TestEventsAndAccessRecordsKeepTheirOrder(t *testing.T) {
	l, _, stderr := open(t, LogOptions{Format: Text})
	l.Access.Info("request")
	l.Events.Warn("node ejected")
	io.WriteString(l.Stderr, "listening\n")
	l.Access.Info("last request")
	l.Close()
	order := `^\S+ request\n\S+ WARN node ejected\nlistening\n\S+ last request\n$`
	if !regexp.MustCompile(order).Match(stderr.Bytes()) {
		t.Errorf("got %q", stderr)
	}
}

func TestNodeOutputIsTextWithTheNodeInFront(t *testing.T) {
	l, stdout, _ := open(t, LogOptions{})
	l.NodeOutput("shop-1", "stderr", []byte("started \x1b[1m\xff"))
	l.NodeOutput("shop-2", "stderr", nil)
	l.Close()
	if want := "shop-1 | started \x1b[1m\xff\nshop-2 | \n"; stdout.String() != want {
		t.Errorf("got %q, want %q", stdout, want)
	}
}

func TestNodeOutputCannotChangeATerminal(t *testing.T) {
	l, stdout, _ := open(t, LogOptions{Terminal: true})
	l.NodeOutput("shop-1", "stdout", []byte("\x1b[31mred\x1b[0m\rshop-2 | \x1b[2J"))
	l.Close()
	if want := "shop-1 | \x1b[31mred\x1b[0m" + `\rshop-2 | \x1b[2J` + "\n"; stdout.String() != want {
		t.Errorf("got %q, want %q", stdout, want)
	}
}

func TestNodeOutputAsJSON(t *testing.T) {
	l, stdout, _ := open(t, LogOptions{OnlyJSON: true})
	lines := map[string]string{"shop-eu-1": "a \"line\" \x1b[1m \xff", "store.1": "ready"}
	for node, line := range lines {
		l.NodeOutput(node, "stderr", []byte(line))
	}
	l.Close()
	services := map[string]any{"shop-eu-1": "shop-eu", "store.1": nil}
	d := json.NewDecoder(stdout)
	for range lines {
		var record map[string]any
		if err := d.Decode(&record); err != nil {
			t.Fatal(err)
		}
		node := record["node"].(string)
		if record["msg"] != "output" || record["level"] != "INFO" || record["service"] != services[node] || record["stream"] != "stderr" ||
			record["line"] != strings.ToValidUTF8(lines[node], "\uFFFD") || record["time"] == nil {
			t.Errorf("got %v", record)
		}
	}
}

func TestNoticesHaveTheFormOfTheirStream(t *testing.T) {
	for name, c := range map[string]struct {
		o              LogOptions
		stdout, stderr string
	}{
		"text": {LogOptions{Format: Text}, "^tenfold \\| 7 lines of output dropped\n$",
			"^\\S+ WARN records dropped dropped=7\n$"},
		"JSON on stderr": {LogOptions{}, "^tenfold \\| 7 lines of output dropped\n$",
			`^{"time":"[^"]+","level":"WARN","msg":"records dropped","dropped":7}` + "\n$"},
		"only JSON": {LogOptions{OnlyJSON: true}, `^{"time":"[^"]+","level":"WARN","msg":"records dropped","dropped":7}` + "\n$",
			`^{"time":"[^"]+","level":"WARN","msg":"records dropped","dropped":7}` + "\n$"},
	} {
		if got := c.o.droppedLines(7); !regexp.MustCompile(c.stdout).Match(got) {
			t.Errorf("%s: notice on standard output %q", name, got)
		}
		if got := c.o.dropped(7); !regexp.MustCompile(c.stderr).Match(got) {
			t.Errorf("%s: notice on standard error %q", name, got)
		}
	}
}

func TestRecordsGoToTheLogFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tenfold.log")
	l, _, stderr := open(t, LogOptions{File: path})
	l.Access.Info("request")
	l.Events.Info("node ready")
	io.WriteString(l.Stderr, "listening\n")
	l.Record().Info("a record for standard error")
	l.Close()
	got, _ := os.ReadFile(path)
	if strings.Count(string(got), "\n") != 2 || strings.Index(string(got), "request") > strings.Index(string(got), "node ready") {
		t.Errorf("the file is %q", got)
	}
	if s := stderr.String(); !strings.HasPrefix(s, "listening\n{") || strings.Contains(s, "node ready") {
		t.Errorf("standard error is %q", s)
	}
	if _, err := OpenLogs(&LogOptions{File: filepath.Join(path, "no-directory")}); err == nil {
		t.Error("a log file that cannot be created is accepted")
	}
}

func TestDroppedRecordsAreCountedPerStream(t *testing.T) {
	l, _, _ := open(t, LogOptions{})
	m := &metrics{registry: prometheus.NewRegistry()}
	m.registerDropped(l.Streams())
	l.Close()
	l.Events.Info("too late")
	l.NodeOutput("shop-1", "stderr", []byte("too late"))
	l.NodeOutput("shop-1", "stderr", []byte("too late"))
	families, err := m.registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "tenfold_log_dropped_total" {
		t.Fatalf("got %v, %v", families, err)
	}
	got := map[string]float64{}
	for _, m := range families[0].GetMetric() {
		got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
	}
	if want := map[string]float64{"stderr": 1, "stdout": 2}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Without a common lock, a record could stand inside another one: a long write to a pipe has several parts.
func TestBothStreamsOnOnePipeDoNotMix(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	l, err := OpenLogs(&LogOptions{Stdout: w, Stderr: w, OnlyJSON: true})
	if err != nil {
		t.Fatal(err)
	}
	var sent sync.WaitGroup
	long := strings.Repeat("x", 300)
	sent.Go(func() {
		for range 2000 {
			l.NodeOutput("shop-1", "stderr", []byte(long))
		}
	})
	sent.Go(func() {
		for range 2000 {
			l.Access.Info("request", "path", long)
		}
	})
	go func() { sent.Wait(); l.Close(); w.Close() }()
	d := json.NewDecoder(r)
	n := 0
	for ; ; n++ {
		var record map[string]any
		if err := d.Decode(&record); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("record %d: %v", n, err)
		}
	}
	if n < 4000 {
		t.Errorf("%d records, want 4000", n)
	}
}
