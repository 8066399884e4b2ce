package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/status"
)

// upFile runs a file in its own directory, and returns the path of the file.
func upFile(t *testing.T, text string, args ...string) (*running, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tenfold.yaml")
	write(t, file, text)
	return upQuietly(t, "", append([]string{"-f", file}, args...)...), file
}

// rewrite replaces a file as editors do: it writes another one and renames it.
func rewrite(t *testing.T, file, text string) {
	t.Helper()
	write(t, file+"~", text)
	if err := os.Rename(file+"~", file); err != nil {
		t.Fatal(err)
	}
}

const twoServices = "services: {service: {run: [service], nodes: 1}}\n"

// SIGHUP reloads a file. With problems in it, the running configuration stays in use.
func TestUpReloadsOnSIGHUP(t *testing.T) {
	x, file := upFile(t, twoServices)
	rewrite(t, file, twoServices+"routes: [{path: /small, to: service}]\n")
	x.signal(syscall.SIGHUP)
	x.stderr.await(x, `"msg":"reloaded".*"by":"signal hangup".*"changes":2,`)
	l := offer(x, 100, func(int) *http.Request { return request("GET", "/small") })
	rewrite(t, file, "services: {service: {run: [service], nodes: none}}\nstore: memory\n")
	x.signal(syscall.SIGHUP)
	x.stderr.await(x, `"msg":"problem in the file","err":".*tenfold.yaml:1:\d+: services.service.nodes: `)
	x.stderr.await(x, `"msg":"not reloaded: the running configuration stays in use".*"problems":2}`)
	noneFailed(t, l.end())
	x.stop()
}

// With --watch, the file is reloaded whenever it changes, also after problems.
func TestUpWatchReloadsTheFile(t *testing.T) {
	x, file := upFile(t, twoServices, "--watch")
	l := offer(x, 50, func(int) *http.Request { return request("GET", "/small") })
	rewrite(t, file, twoServices+"drain: 5s\n")
	x.stderr.await(x, `"msg":"reloaded".*"by":"watch"`)
	rewrite(t, file, "services: [")
	x.stderr.await(x, `"msg":"not reloaded: the running configuration stays in use"`)
	rewrite(t, file, twoServices+"drain: 6s\n")
	x.stderr.await(x, `(?s)not reloaded.*"msg":"reloaded".*"by":"watch"`)
	noneFailed(t, l.end())
	x.stop()
}

// A change of a file that the file names is one, too.
func TestUpWatchReloadsNamedFiles(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "page.html")
	write(t, page, "<p>one</p>")
	file := filepath.Join(dir, "tenfold.yaml")
	write(t, file, twoServices+"error_pages: {404: page.html}\nroutes: [{path: /small, to: service}]\n")
	x := upQuietly(t, "", "-f", file, "--watch")
	rewrite(t, page, "<p>two</p>")
	x.stderr.await(x, `"msg":"reloaded".*"by":"watch"`)
	x.stop()
}

// For each bad file of the tests of package config, the old file runs on, and the answer has the problems that check finds.
func TestUpRefusesEachBadFile(t *testing.T) {
	x, file := upFile(t, twoServices)
	bad, err := filepath.Glob(filepath.Join(repository, "internal", "config", "testdata", "bad", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	l := offer(x, 50, func(int) *http.Request { return request("GET", "/small") })
	for _, name := range bad {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		rewrite(t, file, string(text))
		_, err = config.Load(file)
		var want config.Problems
		if !errors.As(err, &want) {
			continue // a problem only with the environment of its test
		}
		code, answer := x.ask("POST", "/api/reload", "")
		var got status.Reload
		if err := json.Unmarshal([]byte(answer), &got); err != nil || code != 422 || got.OK || got.Error == "" || !reflect.DeepEqual(config.Problems(got.Problems), want) {
			t.Errorf("%s: %d %s\nwant %+v", filepath.Base(name), code, answer, want)
		}
	}
	noneFailed(t, l.end())
	if refused := x.metric(`tenfold_reloads_total{result="refused"}`); int(refused) < len(bad)*9/10 {
		t.Errorf("%v of %d reloads were counted as refused", refused, len(bad))
	}
	rewrite(t, file, twoServices)
	if r := x.reload(); len(r.Changes) > 0 || len(x.nodes()) != 1 || x.nodes()[0].ID != "service-1" {
		t.Errorf("after %d bad files: %+v %+v", len(bad), r, x.nodes())
	}
	if len(bad) < 100 {
		t.Errorf("only %d bad files", len(bad))
	}
	x.stop()
}

// Services come, change and go under load. No request fails that a route leads to a service.
func TestUpServicesComeAndGoUnderLoad(t *testing.T) {
	const base = "services:\n  service: {run: [service], nodes: 2}\n"
	x, file := upFile(t, base)
	l := offer(x, 100, func(int) *http.Request { return request("GET", "/small?ms=5") })
	for range 5 {
		rewrite(t, file, base+"  other: {run: [service], nodes: 2}\nroutes: [{path: /, to: service}, {path: /page, to: other}]\n")
		x.reload()
		more := offer(x, 100, func(int) *http.Request { return request("GET", "/page?ms=5") })
		x.await("the new service answers", func() bool { return more.soFar() >= 20 })
		noneFailed(t, more.end()) // from the first moment: its nodes were ready before its route existed

		// The route leads to another service now. What is in flight to the old one finishes.
		slow := offer(x, 50, func(int) *http.Request { return request("GET", "/page?ms=200") })
		x.await("requests are in flight", func() bool { return x.metric(`tenfold_upstream_in_flight{service="other"}`) > 2 })
		rewrite(t, file, base+"routes: [{path: /, to: service}]\n")
		x.reload()
		noneFailed(t, slow.end())
		x.await("the nodes are gone", func() bool { return len(x.services()) == 1 && len(x.nodes()) == 2 })
	}
	noneFailed(t, l.end())
	x.stop()
}

// The number of nodes and the list of addresses change under load.
func TestUpNodesChangeUnderLoad(t *testing.T) {
	address := freeAddresses(t, 3)
	for _, a := range address {
		startListedNode(t, a)
	}
	text := func(nodes string, addresses ...string) string {
		return "services:\n  service: {run: [service], nodes: " + nodes + "}\n  listed: {nodes: [\"" + strings.Join(addresses, "\", \"") +
			"\"], slow_start: 0s}\nroutes: [{path: /, to: service}, {path: /page, to: listed}]\n"
	}
	x, file := upFile(t, text("2", address[0], address[1]))
	l := offer(x, 100, visits)
	for _, step := range []struct {
		nodes     string
		addresses []string
		wanted    int
	}{
		{"2..4", []string{address[0], address[1], address[2]}, 2},
		{"4", []string{address[2], address[0]}, 4},
		{"1", []string{address[1]}, 1},
		{"2", []string{address[0], address[1]}, 2},
	} {
		rewrite(t, file, text(step.nodes, step.addresses...))
		x.reload()
		x.await("the nodes are those of the file", func() bool {
			var listed []string
			for _, n := range x.nodes() {
				if n.Service == "listed" {
					listed = append(listed, n.Address)
				}
			}
			slices.Sort(listed)
			want := slices.Sorted(slices.Values(step.addresses))
			s := x.services()[0]
			return slices.Equal(listed, want) && s.Wanted == step.wanted && s.Ready == step.wanted && s.Running == step.wanted
		})
	}
	noneFailed(t, l.end())
	x.stop()
}

// A node that is killed during a reload is replaced, and no request that may be repeated fails.
func TestUpReloadsWhileANodeIsKilled(t *testing.T) {
	text := func(round int) string {
		return fmt.Sprintf("services:\n  service: {run: [service], nodes: 3, env: {ROUND: \"%d\"}}\n", round)
	}
	x, file := upFile(t, text(0))
	l := offer(x, 100, func(int) *http.Request { return request("GET", "/small?ms=5") })
	for round := 1; round <= 3; round++ {
		rewrite(t, file, text(round))
		victim := x.nodes()[1]
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			kill(t, victim.PID, syscall.SIGKILL)
		}()
		x.reload()
		<-killed
		x.awaitReady()
	}
	noneFailed(t, l.end())
	x.stop()
}

// Reloads that are asked for at the same time run one after the other.
func TestUpReloadsOneAfterTheOther(t *testing.T) {
	x, file := upFile(t, twoServices)
	var all sync.WaitGroup
	for i := range 20 {
		rewrite(t, file, fmt.Sprintf("%sdrain: %ds\n", twoServices, 10+i))
		all.Go(func() {
			if code, answer := x.ask("POST", "/api/reload", ""); code != 200 {
				t.Errorf("%d %s", code, answer)
			}
		})
	}
	all.Wait()
	if r := x.reload(); len(r.Changes) > 0 {
		t.Errorf("the last form of the file did not run: %+v", r.Changes)
	}
	x.stop()
}

// A worker to which a route leads from now on gets nodes that listen before the first request, and becomes a worker
// again without a failed request.
func TestUpWorkerBecomesAService(t *testing.T) {
	const base = "services: {service: {run: [service], nodes: 1}, job: {run: [sh, -c, 'if test $PORT; then exec service; else exec sleep 1000; fi'], nodes: 1}}\n"
	const worker, serving = base + "routes: [{path: /, to: service}]\n", base + "routes: [{path: /, to: service}, {path: /page, to: job}]\n"
	x, file := upFile(t, worker)
	for range 2 {
		rewrite(t, file, serving)
		x.reload()
		l := offer(x, 100, func(int) *http.Request { return request("GET", "/page?ms=100") })
		x.await("requests are answered", func() bool { return l.soFar() > 10 })
		noneFailed(t, l.end())
		slow := offer(x, 50, func(int) *http.Request { return request("GET", "/page?ms=100") })
		x.await("requests are in flight", func() bool { return x.metric(`tenfold_upstream_in_flight{service="job"}`) > 0 })
		rewrite(t, file, worker)
		x.reload()
		for _, a := range slow.end() { // after the reload, /page is a page of the other service
			if a.failed() {
				t.Errorf("failed: %v", a)
			}
		}
	}
	x.stop()
}

// Addresses are opened before old ones close. The runtime file follows. An address in use is a problem with its place.
func TestUpReloadsItsAddresses(t *testing.T) {
	address := freeAddresses(t, 3)
	taken, err := net.Listen("tcp", address[2])
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "tenfold.yaml")
	text := func(listen ...string) string {
		return "listen: [\"" + strings.Join(listen, "\", \"") + "\"]\n" + twoServices
	}
	write(t, file, text(address[0]))
	x := start(t, call{args: []string{"up", "-f", file, "--store", "none", "--access", "off", "--admin", "127.0.0.1:0"}})
	x.awaitListening()
	x.awaitReady()
	l := offer(x, 50, func(int) *http.Request { return request("GET", "/small") })
	rewrite(t, file, text(address[0], address[2]))
	code, answer := x.ask("POST", "/api/reload", "")
	if want := `"path": "listen[1]",`; code != 422 || !strings.Contains(answer, want) || !strings.Contains(answer, "address already in use") {
		t.Errorf("an address in use: %d %s, want %s", code, answer, want)
	}
	rewrite(t, file, text(address[0], address[1]))
	x.reload()
	noneFailed(t, l.end())
	for range 2 {
		c, err := dial(address[1])
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := c.do(request("GET", "/small")); err != nil || resp.StatusCode != 200 {
			t.Errorf("the new address: %v %v", resp, err)
		}
		c.Close()
		rewrite(t, file, text(address[1]))
		x.reload()
	}
	if c, err := dial(address[0]); err == nil {
		c.Close()
		t.Error("the old address is still open")
	}
	x.stop()
}

// The end of tenfold ends a reload that waits for its nodes.
func TestUpEndsDuringAReload(t *testing.T) {
	x, file := upFile(t, twoServices)
	rewrite(t, file, "services: {service: {run: [service], nodes: 1}, silent: {run: [sleep, '1000'], nodes: 1}}\nroutes: [{path: /, to: service}, {path: /silent, to: silent}]\n")
	answered := make(chan int, 1)
	go func() {
		resp, err := http.Post("http://"+x.admin+"/api/reload", "", nil)
		if err != nil {
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	x.await("the new node starts", func() bool { return len(x.nodes()) == 2 })
	begun := time.Now()
	x.stop()
	if took := time.Since(begun); took > 20*time.Second { // start_timeout is a minute
		t.Errorf("tenfold ended after %v", took)
	}
	if code := <-answered; code == 200 {
		t.Errorf("the reload answered %d", code)
	}
}

// A file that became a pipe does not block tenfold.
func TestUpReloadsNoPipe(t *testing.T) {
	x, file := upFile(t, twoServices)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, answer := x.ask("POST", "/api/reload", ""); code != 422 || !strings.Contains(answer, "is not a regular file") {
		t.Errorf("got %d %s", code, answer)
	}
	rewrite(t, file, twoServices)
	x.reload()
	x.stop()
}
