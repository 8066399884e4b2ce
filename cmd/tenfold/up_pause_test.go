package main

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// A node that hangs keeps its connections and its port. Its probe finds out: it gets nothing more, what was asked of it is
// asked elsewhere, and when it goes on it is back.
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
	x.await("it has work", func() bool { return x.node(hung.ID).Requests > 20 })

	const service = `{service="service"}`
	probesFailed := x.metric("tenfold_upstream_probe_failures_total" + service)
	paused := time.Now()
	kill(t, hung.PID, syscall.SIGSTOP)
	x.await("it is out of rotation", func() bool { return !usable(x.node(hung.ID)) && x.node(hung.ID).InFlight == 0 })
	out := time.Since(paused)
	if n := x.metric("tenfold_upstream_probe_failures_total"+service) - probesFailed; n < fall {
		t.Errorf("it was taken out after %v failed probes, not %d", n, fall)
	}
	retries := x.metric("tenfold_upstream_retries_total" + service)
	if retries == 0 {
		t.Error("no request was on it, so none had to be repeated: this shows nothing")
	}

	before, seen := x.node(hung.ID).Requests, l.soFar()
	x.await("the others carry the traffic", func() bool { return l.soFar() > seen+l.rate })
	if after := x.node(hung.ID).Requests; after != before {
		t.Errorf("it got %d requests while it was out", after-before)
	}
	if n := x.node(hung.ID); n.PID != hung.PID {
		t.Errorf("it was replaced: pid %d, was %d", n.PID, hung.PID)
	}

	resumed := time.Now()
	kill(t, hung.PID, syscall.SIGCONT)
	x.await("it is back at work", func() bool { n := x.node(hung.ID); return usable(n) && n.Requests > before })
	back := time.Since(resumed)
	answers := l.end()
	noneFailed(t, answers)
	figure(t, "hang", summarize(answers).pairs("out_after", out, "retried", retries, "back_after", back)...)
	x.stop()
}
