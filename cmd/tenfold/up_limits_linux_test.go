package main

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
)

// A node that grows above its memory limit is replaced under load, and no request fails.
func TestUpNodeAboveItsMemoryLimitIsReplaced(t *testing.T) {
	x := upQuietly(t, `
services:
  service:
    run: [service]
    nodes: 2
    slow_start: 0s
    resources: {memory: 100MiB, cpu_weight: 90, open_files: 500}
`, "-f", "-")
	l := offer(x, 100, visits)
	grown := x.nodes()[0]
	limits, err := os.ReadFile("/proc/" + strconv.Itoa(grown.PID) + "/limits")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(limits), "Max open files            500                  500") {
		t.Errorf("the node has the limits\n%s", limits)
	}
	resp, err := http.Get("http://" + grown.Address + "/grow?mib=120")
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	x.await("the node is replaced", func() bool { return x.node(grown.ID).ID == "" })
	x.awaitReady()
	noneFailed(t, l.end())
	if n := x.metric(`tenfold_fleet_replacements_total{reason="memory",service="service"}`); n != 1 {
		t.Errorf("the metric counts %v replacements, want 1", n)
	}
	if s := x.services()[0]; s.Restarts != 0 {
		t.Errorf("%d restarts: the node ended before it was replaced", s.Restarts)
	}
	x.stop()
}
