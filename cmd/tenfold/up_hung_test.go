package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A node that hangs under load is replaced within replace_after: one that is stopped, and one that answers its probes but
// no requests. No request that is safe to repeat fails.
func TestUpHungNodeIsReplaced(t *testing.T) {
	const after = 2 * time.Second
	for _, c := range []struct {
		name, by string
		signal   syscall.Signal
	}{
		{"stopped", "probe", syscall.SIGSTOP},
		{"deadlock", "requests", syscall.SIGUSR2},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := upQuietly(t, fmt.Sprintf(`
services:
  service:
    run: [service]
    nodes: 3
    slow_start: 0s
    replace_after: %v
    probe: {interval: 300ms, timeout: 300ms}
`, after), "-f", "-")
			l := offer(x, 100, visits)
			hung := x.nodes()[1]
			x.await("the node has answered requests", func() bool { return x.node(hung.ID).Requests > 20 })
			begun := time.Now()
			kill(t, hung.PID, c.signal)
			x.await("the node is hung", func() bool { n := x.node(hung.ID); return n.Hung && n.HungBy == c.by })
			marked := time.Since(begun)
			seen := 0
			x.await("it gets no requests", func() bool { n := x.node(hung.ID); seen = l.soFar(); return !usable(n) || n.ID == "" })
			out := time.Since(begun)
			x.await("it is replaced", func() bool { return x.node(hung.ID).ID == "" })
			gone := time.Since(begun)
			x.awaitReady()
			x.await("the nodes answer", func() bool { return l.soFar() > seen+3*l.rate })
			answers := l.end()
			noneFailed(t, answers)
			if s := x.services()[0]; s.Restarts != 0 {
				t.Errorf("%d restarts: the node was replaced by its end, not because it hung", s.Restarts)
			}
			if n := x.metric(fmt.Sprintf(`tenfold_fleet_replacements_total{reason="%s",service="service"}`, c.by)); n != 1 {
				t.Errorf("the metric counts %v replacements, want 1", n)
			}
			x.stderr.await(x, `node is replaced.*why"?[=:]"?`+c.by)
			figure(t, "hung "+c.name, summarize(answers).pairs("replace_after", after, "marked_after", marked, "out_after", out, "gone_after", gone)...)
			x.stop()
		})
	}
}

// When all nodes hang at once, one is replaced as a try. It gets ready, so the others follow.
func TestUpServiceWhoseNodesAllHangIsReplaced(t *testing.T) {
	x := upQuietly(t, `
services:
  service:
    run: [service]
    nodes: 3
    slow_start: 0s
    replace_after: 1s
    probe: {interval: 200ms, timeout: 200ms}
`, "-f", "-")
	before := x.nodes()
	begun := time.Now()
	for _, n := range before {
		kill(t, n.PID, syscall.SIGSTOP)
	}
	x.await("all nodes are replaced", func() bool {
		for _, n := range before {
			if x.node(n.ID).ID != "" {
				return false
			}
		}
		return true
	})
	x.awaitReady()
	figure(t, "all nodes hung", "whole_after", time.Since(begun))
	l := offer(x, 100, visits)
	x.await("the new nodes answer", func() bool { return l.soFar() > l.rate })
	noneFailed(t, l.end())
	if n := x.metric(`tenfold_fleet_replacements_total{reason="probe",service="service"}`); n != 3 {
		t.Errorf("the metric counts %v replacements, want 3", n)
	}
	x.stop()
}

// A node at a fixed address is marked, and not touched.
func TestUpHungListedNodeIsMarked(t *testing.T) {
	inner := upQuietly(t, "", "--nodes", "1", "--", "service")
	x := upQuietly(t, fmt.Sprintf(`
services:
  service:
    nodes: ["%s"]
    replace_after: 500ms
    probe: {path: /, interval: 100ms, timeout: 100ms}
`, inner.nodes()[0].Address), "-f", "-")
	kill(t, inner.nodes()[0].PID, syscall.SIGSTOP)
	x.await("the node is marked", func() bool { n := x.nodes()[0]; return n.Hung && n.HungBy == "probe" })
	if n := x.metric(`tenfold_upstream_nodes_hung{service="service"}`); n != 1 {
		t.Errorf("the metric counts %v hung nodes, want 1", n)
	}
	if text := x.verb("status"); !strings.Contains(text, ", hung ") {
		t.Errorf("the status is\n%s", text)
	}
	kill(t, inner.nodes()[0].PID, syscall.SIGCONT)
	x.await("the mark is removed", func() bool { n := x.nodes()[0]; return !n.Hung && usable(n) })
	x.stop()
	inner.stop()
}
