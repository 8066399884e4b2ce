package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/status"
)

// upgradable starts "tenfold up" from an own file, which a test can replace. It returns that file.
func upgradable(t *testing.T, c call) (x *running, program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "tenfold")
	installTenfold(t, program)
	c.program = program
	c.args = slices.Concat(quiet, c.args)
	return up(t, c), program
}

// installTenfold makes this program the file at a path, as an installation does: a rename over what is there.
func installTenfold(t testing.TB, path string) {
	t.Helper()
	self, err := exec.LookPath("tenfold")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err == nil {
		err = os.WriteFile(path+".new", program, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// installScript makes a shell script the file at a path.
func installScript(t testing.TB, path, script string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// version asks which process serves.
func (x *running) version() (v status.Version) { x.t.Helper(); x.read("/api/version", &v); return v }

// upgrade runs the verb, and returns the process that serves then.
func (x *running) upgrade() int {
	x.t.Helper()
	before := x.version().PID
	said := x.verb("upgrade")
	after := x.version().PID
	if after == before {
		x.t.Errorf("process %d serves as before; tenfold upgrade says %q", after, said)
	}
	return after
}

// upgradeFails runs the verb, which must fail. It returns its output.
func (x *running) upgradeFails() string {
	x.t.Helper()
	before := x.version().PID
	code, said := x.call("upgrade")
	if code != 1 {
		x.t.Errorf("tenfold upgrade ended with %d and says %q, want 1", code, said)
	}
	if after := x.version().PID; after != before {
		x.t.Errorf("process %d serves, want %d as before", after, before)
	}
	return said
}

// call runs a verb as verb does, and returns its exit code and its output.
func (x *running) call(args ...string) (code int, said string) {
	x.t.Helper()
	cmd := exec.Command("tenfold", args...)
	cmd.Env = append(os.Environ(), "TENFOLD_ADMIN="+x.admin, raceQuickly)
	cmd.SysProcAttr = endWithTest()
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		x.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// family lists the processes below the first one.
func (x *running) family() (all []processInfo) {
	running := processes()
	below := map[int]bool{x.cmd.Process.Pid: true}
	for grown := true; grown; {
		grown = false
		for _, p := range running {
			if below[p.parent] && !below[p.pid] {
				below[p.pid], grown = true, true
				all = append(all, p)
			}
		}
	}
	return all
}

// serving lists the processes of tenfold up, the supervisor included.
func (x *running) serving() (all []processInfo) {
	for _, p := range processes() {
		if bytes.Contains(p.environ, []byte(x.mark)) && strings.Contains(p.command, "tenfold up ") {
			all = append(all, p)
		}
	}
	return all
}

func pids(nodes []status.Node) (all []int) {
	for _, n := range nodes {
		all = append(all, n.PID)
	}
	return all
}

// Upgrades under load, one after the other, between them programs that do not work: no request fails, no node restarts, and no chain of processes grows. make soak does 20.
func TestUpUpgradesCostNoRequest(t *testing.T) {
	upgrades := 6
	if soak {
		upgrades = 20
	}
	x, program := upgradable(t, call{
		args: []string{"-f", "-"}, stdin: "drain: 20s\nservices:\n  service: {run: [service], nodes: 3}\n",
		env: []string{"SERVICE_JOURNAL=" + filepath.Join(t.TempDir(), "journal")},
	})
	nodes := x.nodes()
	l := offer(x, 100, func(i int) *http.Request {
		switch {
		case i%10 == 0:
			return request("GET", "/small?ms=1000")
		case i%10 == 1:
			return request("POST", "/orders/"+strings.Repeat("x", i%7+1))
		}
		return visits(i)
	})
	s := keepSockets(x, 4)
	served := map[int]bool{x.cmd.Process.Pid: true}
	var longest time.Duration
	for i := range upgrades {
		switch i {
		case 1:
			installScript(t, program, "echo 'panic: it does not work' >&2; exit 7")
			if said := x.upgradeFails(); !strings.Contains(said, "exit status 7") || !strings.Contains(said, "panic: it does not work") {
				t.Errorf("a program that ends at once: %q", said)
			}
			installTenfold(t, program)
		case 2:
			os.Remove(program)
			if said := x.upgradeFails(); !strings.Contains(said, "no such file") {
				t.Errorf("no program: %q", said)
			}
			installTenfold(t, program)
		}
		begun := time.Now()
		served[x.upgrade()] = true
		longest = max(longest, time.Since(begun))
		if now := x.nodes(); !slices.Equal(pids(now), pids(nodes)) {
			t.Errorf("upgrade %d: the nodes are %v, want %v", i+1, now, nodes)
		}
		for _, n := range x.nodes() {
			if n.State == "starting" {
				t.Errorf("upgrade %d: node %s is starting", i+1, n.ID)
			}
		}
		seen := l.soFar()
		x.await("traffic continues", func() bool { return l.soFar() > seen+l.rate/2 })
	}
	if len(served) != upgrades+1 {
		t.Errorf("%d processes served, want %d", len(served), upgrades+1)
	}
	answers := l.end()
	noneFailed(t, answers)
	ended, open := s.close()
	if len(open) != 4 {
		t.Errorf("%d sockets are open, want 4; %d ended", len(open), len(ended))
	}
	x.await("the former processes are gone", func() bool { return len(x.serving()) <= 2 })
	figure(t, "upgrades", summarize(answers).pairs("upgrades", upgrades, "longest", longest, "sockets_ended", len(ended))...)
	x.stop()
}

// A node is killed while an upgrade is in progress. The new process replaces it, and no safe request fails.
func TestUpUpgradeWhileANodeIsKilled(t *testing.T) {
	x, _ := upgradable(t, call{args: []string{"--nodes", "3", "--", "service"}})
	l := offer(x, 50, func(i int) *http.Request { return request("GET", "/small?ms=20") })
	for range 4 {
		before := x.nodes()
		go syscall.Kill(before[0].PID, syscall.SIGKILL)
		x.upgrade()
		x.awaitReady()
		after := x.nodes()
		if len(after) != 3 || after[0].PID != before[1].PID || after[1].PID != before[2].PID {
			t.Errorf("the nodes are %v, were %v", after, before)
		}
	}
	noneFailed(t, l.end())
	x.stop()
}

// A WebSocket lives on in the former process, until drain is over.
func TestUpUpgradeKeepsWebSocketsForDrain(t *testing.T) {
	const drain = 3 * time.Second
	x, _ := upgradable(t, call{args: []string{"-f", "-"}, stdin: "drain: 3s\nservices:\n  service: {run: [service], nodes: 2}\n"})
	s := keepSockets(x, 6)
	begun := time.Now()
	x.upgrade()
	x.await("each socket has ended once", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.ended) >= 6
	})
	x.await("all sockets are connected again", func() bool {
		open := int64(0)
		for _, n := range x.nodes() {
			open += n.InFlight
		}
		return open == 6
	})
	ended, _ := s.close()
	for _, e := range ended {
		if lived := e.end.Sub(begun); lived < drain {
			t.Errorf("a socket ended %v after the upgrade began, before drain (%v) was over", lived, drain)
		}
	}
	x.stop()
}

// A node that is replaced soon after an upgrade waits for the requests that the former process has on it.
func TestUpRestartAfterAnUpgradeWaitsForOldRequests(t *testing.T) {
	x, _ := upgradable(t, call{args: []string{"-f", "-"}, stdin: "drain: 6s\nservices:\n  service: {run: [service], nodes: 2}\n"})
	c, err := dial(strings.TrimPrefix(x.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	answered := make(chan error, 1)
	go func() {
		resp, err := c.do(request("GET", "/small?ms=2000"))
		if err == nil && resp.StatusCode != 200 {
			err = io.ErrUnexpectedEOF
		}
		answered <- err
	}()
	x.await("the request is in flight", func() bool {
		return slices.ContainsFunc(x.nodes(), func(n status.Node) bool { return n.InFlight == 1 })
	})
	x.upgrade()
	x.verb("restart", "service")
	if err := <-answered; err != nil {
		t.Errorf("the request of the former process: %v", err)
	}
	x.stop()
}

// During a rolling restart an upgrade is refused, and says why.
func TestUpNoUpgradeDuringARestart(t *testing.T) {
	x, _ := upgradable(t, call{args: []string{"-f", "-"}, stdin: "drain: 10s\nservices:\n  service: {run: [service], nodes: 2}\n"})
	hold := make(chan error, 1)
	go func() {
		resp, err := http.Get(x.url + "/small?ms=3000")
		if err == nil {
			resp.Body.Close()
		}
		hold <- err
	}()
	x.await("a request is in flight", func() bool {
		return slices.ContainsFunc(x.nodes(), func(n status.Node) bool { return n.InFlight == 1 })
	})
	restarted := make(chan string, 1)
	go func() { restarted <- x.verb("restart", "service") }()
	x.await("the restart has begun", func() bool { return x.services()[0].Restarting })
	if said := x.upgradeFails(); !strings.Contains(said, "restart of service") || !strings.Contains(said, "hint: nothing has changed") {
		t.Errorf("tenfold upgrade during a restart says %q", said)
	}
	<-restarted
	if err := <-hold; err != nil {
		t.Error(err)
	}
	x.upgrade()
	x.stop()
}

// A program that starts and sends nothing is ended after some time. Everything else works meanwhile.
func TestUpUpgradeToAProgramThatHangs(t *testing.T) {
	x, program := upgradable(t, call{args: []string{"--nodes", "1", "--", "service"}})
	installScript(t, program, "echo 'it waits' >&2; exec sleep 600")
	done := make(chan string, 1)
	go func() { done <- x.upgradeFails() }()
	x.stderr.await(x, "it waits")
	if code, said := x.call("upgrade"); code != 1 || !strings.Contains(said, "an upgrade is in progress") {
		t.Errorf("a second upgrade: %d %q", code, said)
	}
	if code, _ := x.visit("/small", ""); code != 200 {
		t.Errorf("a request meanwhile: %d", code)
	}
	if said := <-done; !strings.Contains(said, `did not get to "hello" within`) || !strings.Contains(said, "it waits") {
		t.Errorf("tenfold upgrade says %q", said)
	}
	installTenfold(t, program)
	x.upgrade()
	x.stop()
}

// SIGUSR2 upgrades, too. The end of any of the processes is the end of all, and nothing is left.
func TestUpEndAfterAnUpgrade(t *testing.T) {
	for name, end := range map[string]struct {
		pid    func(x *running, serving int) int
		signal syscall.Signal
		code   int
	}{
		"Ctrl-C":                         {first, syscall.SIGINT, 0},
		"SIGTERM":                        {first, syscall.SIGTERM, 0},
		"SIGTERM to the one that serves": {second, syscall.SIGTERM, 0},
		"the supervisor is killed":       {first, syscall.SIGKILL, -1},
		"the one that serves is killed":  {second, syscall.SIGKILL, 128 + 9},
	} {
		t.Run(name, func(t *testing.T) {
			x, _ := upgradable(t, call{args: []string{"--nodes", "2", "--", "service"}})
			before := x.cmd.Process.Pid
			x.signal(syscall.SIGUSR2)
			x.await("another process serves", func() bool { return x.version().PID != before })
			serving := x.upgrade() // the third one: its parent is gone
			x.children = x.family()
			kill(t, end.pid(x, serving), end.signal)
			if code := x.wait(); code != end.code {
				t.Errorf("exit code %d, want %d", code, end.code)
			}
			x.awaitAllGone()
		})
	}
}

func first(x *running, _ int) int        { return x.cmd.Process.Pid }
func second(_ *running, serving int) int { return serving }

// The lines of nodes from before an upgrade are there after it.
func TestUpLogsSurviveAnUpgrade(t *testing.T) {
	x, _ := upgradable(t, call{args: []string{"--nodes", "1", "--", "service"}})
	x.upgrade()
	x.upgrade()
	if code, said := x.call("logs"); code != 0 || !strings.Contains(said, "node started") {
		t.Errorf("after two upgrades, logs ends with %d and prints %q", code, said)
	}
	x.stop()
}

// A store in memory is a separate process, so it keeps its data.
func TestUpStoreSurvivesAnUpgrade(t *testing.T) {
	service, err := exec.LookPath("service")
	if err != nil {
		t.Fatal(err)
	}
	for _, with := range []string{"redis-server", "no redis-server"} {
		t.Run(with, func(t *testing.T) {
			journal := filepath.Join(t.TempDir(), "journal")
			c := call{args: []string{"-f", "-", "--store", "auto"}, stdin: `
services: {service: {run: [` + service + `], nodes: 2, env: {SERVICE_JOURNAL: ` + journal + `}}}
routes: [{path: /, to: service}, {path: /orders, to: service, idempotency: required}]
`}
			if with == "no redis-server" {
				c.env = []string{"PATH=/nowhere"}
			} else if _, err := exec.LookPath("redis-server"); err != nil {
				t.Skip("redis-server is missing: apt-get install redis-server")
			}
			x, _ := upgradable(t, c)
			for i := range 3 {
				if code, text := x.visit("/orders/1", "order-1"); code != http.StatusCreated {
					t.Errorf("order %d: %d %s", i+1, code, text)
				}
				x.upgrade()
			}
			if orders, err := os.ReadFile(journal); string(orders) != "1\n" {
				t.Errorf("one order over upgrades had the effect %q, %v", orders, err)
			}
			x.stop()
		})
	}
}
