package main

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// A node that hangs keeps its connections and its port, but its probe fails. It gets no more requests, and its requests
// are sent to other nodes. When it works again, it gets requests again.
func TestUpHangingNodeIsTakenOut(t *testing.T) {
	const fall = 3
	x := upQuietly(t, fmt.Sprintf(`
services:
  service:
    run: [service]
    nodes: 3
    probe: {interval: 500ms, timeout: 500ms, fall: %d}
`, fall), "-f", "-")
	l := offer(x, 200, visits)
	hung := x.nodes()[1]
	x.await("the node has answered requests", func() bool { return x.node(hung.ID).Requests > 20 })

	const service = `{service="service"}`
	probesFailed := x.metric("tenfold_upstream_probe_failures_total" + service)
	paused := time.Now()
	kill(t, hung.PID, syscall.SIGSTOP)
	x.await("the node gets no requests", func() bool { return !usable(x.node(hung.ID)) && x.node(hung.ID).InFlight == 0 })
	out := time.Since(paused)
	if n := x.metric("tenfold_upstream_probe_failures_total"+service) - probesFailed; n < fall {
		t.Errorf("it was taken out after %v failed probes, want %d", n, fall)
	}
	retries := x.metric("tenfold_upstream_retries_total" + service)
	if retries == 0 {
		t.Error("the node held no request, so none was retried: this test shows nothing")
	}

	before, seen := x.node(hung.ID).Requests, l.soFar()
	x.await("the other nodes answer", func() bool { return l.soFar() > seen+l.rate })
	if after := x.node(hung.ID).Requests; after != before {
		t.Errorf("it got %d requests while it was out", after-before)
	}
	if n := x.node(hung.ID); n.PID != hung.PID {
		t.Errorf("it was replaced: pid %d, was %d", n.PID, hung.PID)
	}

	resumed := time.Now()
	kill(t, hung.PID, syscall.SIGCONT)
	x.await("the node answers requests again", func() bool { n := x.node(hung.ID); return usable(n) && n.Requests > before })
	back := time.Since(resumed)
	answers := l.end()
	noneFailed(t, answers)
	figure(t, "hang", summarize(answers).pairs("out_after", out, "retried", retries, "back_after", back)...)
	x.stop()
}
