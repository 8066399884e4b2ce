package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// makeRoot makes the root file system of a container: one static program and what a container runtime adds.
func makeRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"bin", "proc", "dev", "tmp"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mknod(filepath.Join(root, "dev", "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Skipf("this machine does not let a test make the device file of a container: mknod: %v", err)
	}
	probe := exec.Command("unshare", "--pid", "--fork", "--mount-proc", "true")
	if out, err := probe.CombinedOutput(); err != nil {
		t.Skipf("this machine does not permit unshare --pid --mount-proc: %v %s", err, out)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(root, "bin", "tenfold"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build a static program: %v\n%s", err, out)
	}
	return root
}

// tenfold is the first process of a container: it leaves no zombies, an upgrade keeps it, and SIGTERM drains.
func TestUpAsTheFirstProcessOfAContainer(t *testing.T) {
	root := makeRoot(t)
	x := start(t, call{program: "unshare", args: []string{
		"--pid", "--fork", "--kill-child", "--mount-proc", "--root=" + root,
		"/bin/tenfold", "up", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--store", "none", "--access", "off", "--nodes", "2",
		"--", "/bin/tenfold", "shop", "serve", "--state", "memory"}})
	x.awaitListening()
	x.awaitReady()
	if v := x.version(); v.PID != 1 {
		t.Errorf("the process is %d of its container, want 1", v.PID)
	}
	tenfold := x.child("up")
	old := pids(x.nodes())

	// The nodes of a reaper that is killed end, and become children of the first process.
	kill(t, x.child("reaper"), syscall.SIGKILL)
	x.await("the nodes are replaced", func() bool {
		now := x.nodes()
		return len(now) == 2 && now[0].PID != old[0] && now[1].PID != old[1] && usable(now[0]) && usable(now[1])
	})
	x.await("no zombie is left", func() bool { return len(x.zombies()) == 0 })

	nodes := pids(x.nodes())
	x.upgrade()
	if now := pids(x.nodes()); fmt.Sprint(now) != fmt.Sprint(nodes) {
		t.Errorf("after an upgrade the nodes are %v, want %v", now, nodes)
	}
	x.await("no zombie is left after an upgrade", func() bool { return len(x.zombies()) == 0 })

	hold := make(chan error, 1)
	c, err := dial(strings.TrimPrefix(x.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() { _, err := c.do(request("GET", "/")); hold <- err }()
	if err := <-hold; err != nil {
		t.Errorf("a request before SIGTERM: %v", err)
	}
	kill(t, tenfold, syscall.SIGTERM)
	if code := x.wait(); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	if said := x.stderr.String(); strings.Count(said, "node drains") < 2 {
		t.Error("SIGTERM did not drain the nodes")
	}
}

// child returns the process of the container that runs a verb of tenfold, as this machine numbers it.
func (x *running) child(verb string) int {
	x.t.Helper()
	for _, p := range x.family() {
		if strings.HasPrefix(p.command, "/bin/tenfold "+verb) {
			return p.pid
		}
	}
	x.t.Fatalf("no process runs %s: %v", verb, x.family())
	return 0
}

// zombies lists the processes below the first one that have ended and were not collected.
func (x *running) zombies() (all []int) {
	names, _ := os.ReadDir("/proc")
	below := map[int]bool{x.cmd.Process.Pid: true}
	for range 4 { // the depth of the tree
		for _, name := range names {
			var pid int
			if _, err := fmt.Sscan(name.Name(), &pid); err == nil && below[parent(pid)] {
				below[pid] = true
			}
		}
	}
	for pid := range below {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if i := strings.LastIndexByte(string(stat), ')'); i >= 0 && strings.HasPrefix(string(stat[i+1:]), " Z") {
			all = append(all, pid)
		}
	}
	return all
}
