//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A short run with the installed proxies shows that the benchmark works. It does not measure speed.
func TestLoad(t *testing.T) {
	for name, o := range map[string]options{
		"built-in generator": {rounds: 1, window: 100 * time.Millisecond, logs: "off,on"},
		"wrk":                {rounds: 1, window: time.Second, logs: "on", cases: "post", peers: "tenfold"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath("wrk"); err != nil && name == "wrk" {
				t.Skip("wrk is not installed")
			}
			r, text := runSmoke(t, o)
			if !slices.ContainsFunc(r.Results,
				func(x result) bool { return x.Proxy == "tenfold" && x.Log && x.CPU.Median > 0 && x.Errors == 0 }) {
				t.Errorf("no measurement of tenfold without errors:\n%s", text)
			}
			t.Log(text)
		})
	}
}

func TestIdle(t *testing.T) {
	r, text := runSmoke(t, options{rounds: 1, window: time.Second, logs: "off", idle: 100})
	if !slices.ContainsFunc(r.Idle,
		func(x idle) bool { return x.Proxy == "tenfold" && x.Connections == 100 && x.MemoryMiB > 1 }) {
		t.Errorf("no measurement of tenfold:\n%s", text)
	}
	t.Log(text)
}

// The report names every proxy that is not installed.
func TestMissing(t *testing.T) {
	bin := t.TempDir()
	if taskset, err := exec.LookPath("taskset"); err == nil {
		if err := os.Symlink(taskset, filepath.Join(bin, "taskset")); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	r, text := runSmoke(t, options{rounds: 1, window: 50 * time.Millisecond, logs: "off", cases: "small"})
	if len(r.Missing) != 3 || len(r.Results) != 1 {
		t.Errorf("want three missing proxies and one result:\n%s", text)
	}
}

// runSmoke runs the benchmark and returns the report as a value and as text. It fails if a child process still runs.
func runSmoke(t *testing.T, o options) (r report, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	o.json, o.tenfold = true, builds{{"tenfold", tenfoldFile}}
	var out strings.Builder
	if err := run(ctx, o, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := r.writeTable(&table); err != nil {
		t.Fatal(err)
	}
	if all, err := childrenOf(); err != nil || len(all[os.Getpid()]) > 0 {
		t.Errorf("child processes still run: %v, %v", all[os.Getpid()], err)
	}
	return r, table.String()
}

var tenfoldFile string // built once for all tests

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bench-proxy-test-")
	if err == nil {
		tenfoldFile, err = buildTenfold(context.Background(), dir)
	}
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	os.RemoveAll(dir)
	os.Exit(code)
}
