package main

import (
	"fmt"
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
