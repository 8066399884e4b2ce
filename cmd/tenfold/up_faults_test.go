package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Two of three services cannot start: the command of one does not exist, that of the other ends at once. The third one
// serves.
func TestUpServiceThatCannotStartLeavesTheOthersAlone(t *testing.T) {
	x := upAnyhow(t, call{args: append([]string{"-f", "-"}, quiet...), stdin: `
services:
  service: {run: [service], nodes: 2}
  missing: {run: [no-such-command], nodes: 1}
  ends: {run: [sh, -c, "echo cannot start; exit 3"], nodes: 1}
routes: [{path: /missing, to: missing}, {path: /ends, to: ends}, {path: /, to: service}]
`})
	x.await("the services that cannot start are given up for the moment", func() bool {
		failed := 0
		for _, s := range x.services() {
			if s.CrashLoop {
				failed++
			}
		}
		return failed == 2
	})
	for path, want := range map[string]int{"/": 200, "/missing": 503, "/ends": 503} {
		resp, err := http.Get(x.url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	said := x.verb("status")
	for _, want := range []string{"service: 2 of 2 ready", "missing: 0 of 1 ready, CRASH LOOP", "ends: 0 of 1 ready, CRASH LOOP", "exit status 3"} {
		if !strings.Contains(said, want) {
			t.Errorf("status does not say %q:\n%s", want, said)
		}
	}
	if n := strings.Count(x.stderr.String(), "service cannot start"); n != 2 {
		t.Errorf("the log says %d times that a service cannot start, want twice", n)
	}
	x.stop()
}

// At ulimit -n 256, 1,000 idle clients that are silent or keep a connection open leave the nodes ready and the admin
// address reachable. A client with a request is served. After the idle clients have gone, everything works at once.
func TestUpIdleClientsWithFewDescriptors(t *testing.T) {
	program := withUlimit(t, "-n 256")
	x := up(t, call{program: program, args: slices.Concat([]string{"--nodes", "2"}, quiet, []string{"--", "service"})})
	address := strings.TrimPrefix(x.url, "http://")
	limit := x.metric("tenfold_connections_limit")
	const probeFailures = `tenfold_upstream_probe_failures_total{service="service"}`
	failedAtStart := x.metric(probeFailures)
	if limit < 50 || limit > 128 {
		t.Errorf("the limit is %v connections", limit)
	}
	kept := make([]*client, 20) // each has had an answer
	for i := range kept {
		var err error
		if kept[i], err = dial(address); err != nil {
			t.Fatal(err)
		}
		defer kept[i].Close()
		ask(t, kept[i])
	}
	var idle []net.Conn
	for i := range 1000 {
		nc, err := net.DialTimeout("tcp", address, patience)
		if err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
		defer nc.Close()
		idle = append(idle, nc)
	}
	for range 30 {
		status, _ := x.ask("GET", "/healthz", "")
		if status != 200 {
			t.Errorf("admin answers %d", status)
		}
		// The gauge sees the end of a connection that was closed for a new one a moment after the limit has seen it.
		x.await("no more connections are open than the limit allows", func() bool { return x.metric("active_connections") <= limit })
		for _, n := range x.nodes() {
			if n.State != "ready" || n.Ejected {
				t.Errorf("a node is %+v", n)
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	get := func(within time.Duration) {
		t.Helper()
		c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: within}
		resp, err := c.Get(x.url + "/small")
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("a request gets %d", resp.StatusCode)
		}
	}
	get(patience) // it waits for its turn among the silent clients
	for _, nc := range idle {
		nc.Close()
	}
	for range 50 {
		get(2 * time.Second)
	}
	if n := x.metric(probeFailures); n > failedAtStart {
		t.Errorf("%v probes failed", n-failedAtStart)
	}
	if n := x.metric("tenfold_connections_idle_closed_total"); n == 0 {
		t.Error("no idle connection was closed")
	}
	x.stop()
}

// tenfold uses as many descriptors as it may. Its nodes get the limit with which it was started.
func TestUpRaisesTheLimitOfOpenFilesForItselfOnly(t *testing.T) {
	dir := t.TempDir()
	x := up(t, call{program: withUlimit(t, "-S -n 300"), dir: dir, args: slices.Concat([]string{"--nodes", "1"}, quiet,
		[]string{"--", "sh", "-c", "ulimit -n >limit; exec service"})})
	if text, err := os.ReadFile(filepath.Join(dir, "limit")); err != nil || strings.TrimSpace(string(text)) != "300" {
		t.Errorf("the limit of a node is %q %v, want 300", text, err)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if n := x.metric("tenfold_connections_limit"); limit.Max > 1000 && n < 300 {
		t.Errorf("the limit is %v connections, with %d open files allowed", n, limit.Max)
	}
	x.stop()
}

// withUlimit returns a program that is tenfold with another limit of open files.
func withUlimit(t *testing.T, ulimit string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "limited")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nulimit "+ulimit+"\nexec tenfold \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return program
}
