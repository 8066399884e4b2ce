package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// soak selects the long variants of these tests: make soak.
var soak = os.Getenv("TENFOLD_SOAK") != ""

// Idle connections use memory. The test measures the memory of tenfold, and that of nginx for comparison.
func TestUpIdleConnections(t *testing.T) {
	n, program := 1000, "tenfold"
	if soak {
		n, program = 10_000, buildWithoutRace(t)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && limit.Max < 2*uint64(n)+500 {
		n = (int(limit.Max) - 500) / 2
		t.Logf("only %d connections: the limit of open files is %d (ulimit -n)", n, limit.Max)
	}

	node := freeAddresses(t, 2)
	startListedNode(t, node[0])
	x := up(t, call{
		program: program,
		args:    []string{"-f", "-", "--store", "none", "--access", "off"},
		stdin:   fmt.Sprintf("services:\n  service:\n    nodes: [%s]\nlimits: {idle_timeout: 10m}\n", node[0]),
	})
	address := strings.TrimPrefix(x.url, "http://")
	empty := residentKB(x.cmd.Process.Pid)
	idle := openIdle(t, address, n)
	full := residentKB(x.cmd.Process.Pid)
	if open := x.metric("active_connections"); open < float64(n) {
		t.Errorf("%v of %d connections are open", open, n)
	}
	checkIdle(t, idle)
	figure(t, "idle-tenfold", "connections", n, "rss_kb", full, "rss_without_kb", empty,
		"kb_per_connection", float64(full-empty)/float64(n), "race_detector", program == "tenfold" && raced())
	x.stop()

	if _, err := exec.LookPath("nginx"); err != nil {
		figure(t, "idle-nginx", "missing", "apt-get install nginx")
		return
	}
	pid := nginx(t, node[1], node[0])
	sum := func() (kb int) {
		kb = residentKB(pid)
		for _, worker := range startedBy(pid) {
			kb += residentKB(worker.pid)
		}
		return kb
	}
	empty = sum()
	idle = openIdle(t, node[1], n)
	full = sum()
	checkIdle(t, idle)
	figure(t, "idle-nginx", "connections", n, "rss_kb", full, "rss_without_kb", empty, "kb_per_connection", float64(full-empty)/float64(n))
}

// openIdle opens connections and gets one answer on each.
func openIdle(t *testing.T, address string, n int) []*client {
	t.Helper()
	all := make([]*client, n)
	each(n, func(i int) {
		c, err := dial(address)
		if err != nil {
			t.Errorf("connection %d: %v", i, err)
			return
		}
		t.Cleanup(func() { c.Close() })
		all[i] = c
		ask(t, c)
	})
	return all
}

// checkIdle checks that all connections still work.
func checkIdle(t *testing.T, all []*client) {
	t.Helper()
	each(len(all), func(i int) {
		if all[i] != nil {
			ask(t, all[i])
			all[i].Close()
		}
	})
}

func ask(t *testing.T, c *client) {
	resp, err := c.do(request("GET", "/small"))
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("an idle connection answers %v %v", resp, err)
	}
}

// each calls f for every number below n, 50 at a time.
func each(n int, f func(i int)) {
	var all sync.WaitGroup
	for first := range 50 {
		all.Go(func() {
			for i := first; i < n; i += 50 {
				f(i)
			}
		})
	}
	all.Wait()
}

// buildWithoutRace builds a tenfold without the race detector, which uses much more memory.
func buildWithoutRace(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "tenfold")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// raced reports whether this test, and so the tenfold in it, runs under the race detector.
func raced() bool {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

// nginx runs nginx as a proxy, with the settings that its manual recommends, and returns its process.
func nginx(t *testing.T, listen, node string) (pid int) {
	t.Helper()
	dir := t.TempDir()
	user := ""
	if os.Getuid() == 0 {
		user = "user root;" // otherwise its worker cannot write to the directory
	}
	write(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(`
%s
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid %[2]s/pid;
error_log %[2]s/error.log;
events { worker_connections 15000; }
http {
  access_log off;
  keepalive_timeout 10m;
  client_body_temp_path %[2]s; proxy_temp_path %[2]s; fastcgi_temp_path %[2]s; uwsgi_temp_path %[2]s; scgi_temp_path %[2]s;
  upstream service { server %[3]s; keepalive 64; }
  server {
    listen %[4]s backlog=4096;
    location / { proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`, user, dir, node, listen))
	cmd := exec.Command("nginx", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", filepath.Join(dir, "error.log"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) // nginx ends its worker
		cmd.Wait()
	})
	for begun := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if c, err := dial(listen); err == nil {
			c.Close()
			return cmd.Process.Pid
		}
		if time.Since(begun) > patience {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Fatalf("nginx does not listen:\n%s", log)
		}
	}
}
