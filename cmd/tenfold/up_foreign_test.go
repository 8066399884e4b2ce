package main

import (
	"crypto/sha256"
	"fmt"
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

// Services without any knowledge of tenfold run on three nodes, started by one command line. Under load they are
// drained, restarted and killed, and no request fails.
func TestUpForeignServices(t *testing.T) {
	t.Run("python", func(t *testing.T) {
		t.Parallel()
		needs(t, "python3", "python3")
		x := up(t, call{dir: "testdata/apps/python", args: []string{"--nodes", "3", "--access", "off", "--", "python3", "app.py"}})
		operate(t, x, "python")
		x.stop()
	})
	t.Run("express", func(t *testing.T) {
		t.Parallel()
		needs(t, "node", "nodejs")
		x := up(t, call{
			dir:  "testdata/apps/express",
			args: []string{"--nodes", "3", "--access", "off", "--", "node", "app.js"},
			env:  []string{"NODE_PATH=" + nodeModules(t)},
		})
		operate(t, x, "express")
		postAfterPauses(t, x)
		x.stop()
	})
}

// operate drains, restarts and kills nodes of a service named app under load.
func operate(t *testing.T, x *running, name string) {
	t.Helper()
	old := x.nodes()
	l := offer(x, 50, func(int) *http.Request { return request("GET", "/") })
	x.await("300 answers are there", func() bool { return l.soFar() > 300 })
	shares := map[string]int{}
	for _, n := range x.nodes() {
		shares[n.ID] = int(n.Requests)
		if n.Requests < 3 { // a node that answers slowly at first, as new programs do, gets few requests for some seconds
			t.Errorf("%s got %d of 300 requests", n.ID, n.Requests)
		}
	}

	x.verb("drain", old[1].ID)
	if x.node(old[1].ID).ID != "" {
		t.Errorf("%s was drained, but still exists", old[1].ID)
	}
	begun := time.Now()
	x.verb("restart", "app")
	restarted := time.Since(begun)
	if now := x.nodes(); len(now) != 3 || slices.ContainsFunc(now, func(n status.Node) bool { return n.ID == old[0].ID || n.ID == old[2].ID }) {
		t.Errorf("after the restart there are %v", now)
	}
	killed := x.nodes()[2]
	kill(t, killed.PID, syscall.SIGKILL)
	x.await("the killed node is gone", func() bool { return x.node(killed.ID).ID == "" })
	x.awaitReady()
	seen := l.soFar()
	x.await("traffic continues", func() bool { return l.soFar() > seen+l.rate })
	answers := l.end()
	noneFailed(t, answers)
	figure(t, name, summarize(answers).pairs("shares", shares, "restart_took", restarted)...)
}

// postAfterPauses sends orders to nodes that are about to close their idle connections. Node.js does that after five
// seconds. An order that is sent at the same moment must not fail, and must not be sent twice.
func postAfterPauses(t *testing.T, x *running) {
	t.Helper()
	const together = 20
	var clients []*client
	for range together {
		c, err := dial(strings.TrimPrefix(x.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
	}
	failed := 0
	pauses := []time.Duration{0, 4990 * time.Millisecond, 5000 * time.Millisecond, 5010 * time.Millisecond}
	for _, pause := range pauses {
		time.Sleep(pause)
		errs := make(chan error, together)
		for _, c := range clients {
			go func() { errs <- post(c, "hello") }()
		}
		for range clients {
			if err := <-errs; err != nil {
				t.Errorf("POST after a pause of %v: %v", pause, err)
				failed++
			}
		}
	}
	figure(t, "express-keep-alive", "orders", together*len(pauses), "failed", failed)
}

// post sends a text and expects the same text as answer.
func post(c *client, text string) error {
	req := request("POST", "/")
	req.Header.Set("Content-Type", "text/plain")
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	resp, err := c.do(req)
	if err == nil && (resp.StatusCode != 200 || resp.body != text) {
		err = fmt.Errorf("answer %d %q", resp.StatusCode, resp.body)
	}
	return err
}

// needs skips the test when a program is missing. In CI it fails the test.
func needs(t *testing.T, program, debian string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		missing(t, fmt.Sprintf("%s is missing: apt-get install %s", program, debian))
	}
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// nodeModules returns a directory with Express and its dependencies, at the versions of the lock file. It is made once.
func nodeModules(t *testing.T) string {
	t.Helper()
	needs(t, "npm", "npm")
	const app = "testdata/apps/express"
	lock, err := os.ReadFile(filepath.Join(app, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(repository, ".cache")
	}
	made := filepath.Join(cache, fmt.Sprintf("tenfold-express-%x", sha256.Sum256(lock))[:32], "node_modules")
	if _, err := os.Stat(made); err == nil {
		return made
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	making, err := os.MkdirTemp(cache, "tenfold-express-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(making)
	if err := os.CopyFS(making, os.DirFS(app)); err != nil {
		t.Fatal(err)
	}
	npm := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = making
	npm.SysProcAttr = endWithTest()
	if out, err := npm.CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("npm ci: %v\n%s", err, out))
	}
	if err := os.Rename(making, filepath.Dir(made)); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	return made
}
