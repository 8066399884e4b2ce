package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/status"
)

// While no node answers, every visitor hears so at once and nothing piles up; as soon as one answers its probe, all is
// well. These nodes are somebody else's: tenfold neither starts nor replaces them.
func TestUpOutageIsAnsweredAtOnce(t *testing.T) {
	const interval = time.Second
	addresses := freeAddresses(t, 3)
	var others []*exec.Cmd
	for _, address := range addresses {
		others = append(others, otherNode(t, address))
	}
	x := upQuietly(t, fmt.Sprintf("services:\n  service:\n    nodes: [%s]\n    probe: {interval: %v}\n", strings.Join(addresses, ", "), interval),
		"-f", "-")
	l := offer(x, 200, func(int) *http.Request { return request("GET", "/small?ms=5") })
	x.await("traffic flows", func() bool { return l.soFar() > 100 })

	tries, down := x.tries(), time.Now()
	for _, other := range others {
		other.Process.Kill()
		other.Wait()
	}
	dead := time.Now()
	const usable = `tenfold_upstream_nodes_usable{service="service"}`
	x.await("the last node is out", func() bool { return x.metric(usable) == 0 })
	out := time.Since(down)
	seen := l.soFar()
	x.await("the outage goes on", func() bool { return l.soFar() > seen+2*l.rate })
	if n := x.metric(`tenfold_upstream_in_flight{service="service"}`); n != 0 {
		t.Errorf("%v requests are in flight on nodes that are gone", n)
	}
	if n := x.metric(`tenfold_upstream_queue_wait_seconds_count{service="service"}`); n != 0 {
		t.Errorf("%v requests had to queue for nodes that are gone", n)
	}
	tries = x.tries() - tries
	if said := x.verb("status"); strings.Count(said, "probe: ") != 3 {
		t.Errorf("status does not say why three nodes are out:\n%s", said)
	}

	for _, address := range addresses {
		otherNode(t, address)
	}
	begun := time.Now()
	x.await("all nodes are back", func() bool { return x.metric(usable) == 3 })
	seen = l.soFar()
	x.await("traffic flows again", func() bool { return l.soFar() > seen+l.rate })
	answers := l.end()

	var outage []answer
	back := time.Hour
	for _, a := range answers {
		switch answered := a.due.Add(a.took); {
		case a.failed() && answered.Before(down):
			t.Errorf("failed before the outage: %v", a)
		case a.failed():
			saysOutage(t, a, dead)
			outage = append(outage, a)
		case answered.After(begun):
			back = min(back, answered.Sub(begun))
		}
	}
	if back > 10*interval { // one interval, and what a busy machine may add
		t.Errorf("the first answer came %v after the nodes, probed every %v, were up", back, interval)
	}
	amplification := float64(tries) / float64(len(outage))
	if amplification > 1.1 {
		t.Errorf("%d tries for %d requests", tries, len(outage))
	}
	var waited []time.Duration
	for _, a := range outage {
		waited = append(waited, a.waited())
	}
	slices.Sort(waited)
	if half := share(waited, 0.5); half > 500*time.Millisecond {
		t.Errorf("half of the visitors waited longer than %v to hear that there is no node", half)
	}
	figure(t, "outage", summarize(outage).pairs("reasons", reasons(outage), "last_node_out_after", out, "tries_per_request", amplification, "recovery", back)...)
	x.stop()
}

// The same with nodes that tenfold runs: it sees them end, and has new ones at once.
func TestUpAllNodesKilledAtOnce(t *testing.T) {
	x := upQuietly(t, "", "--nodes", "3", "--", "service")
	l := offer(x, 200, func(int) *http.Request { return request("GET", "/small?ms=5") })
	x.await("traffic flows", func() bool { return l.soFar() > 100 })
	old := x.nodes()
	down := time.Now()
	for _, n := range old {
		kill(t, n.PID, syscall.SIGKILL)
	}
	x.await("all of them are dead", func() bool {
		return !slices.ContainsFunc(old, func(n status.Node) bool { return syscall.Kill(n.PID, 0) == nil })
	})
	dead := time.Now()
	x.await("three new nodes work", func() bool {
		now := x.nodes()
		for _, n := range now {
			if n.ID == old[0].ID || n.ID == old[1].ID || n.ID == old[2].ID || !usable(n) || n.Requests == 0 {
				return false
			}
		}
		return len(now) == 3
	})
	took := time.Since(down)
	answers := l.end()
	var outage []answer
	last := down
	for _, a := range answers {
		if a.failed() {
			saysOutage(t, a, dead)
			outage = append(outage, a)
			last = maxTime(last, a.due.Add(a.took))
		}
	}
	figure(t, "outage-killed", summarize(outage).pairs("reasons", reasons(outage), "last_failure_after", last.Sub(down), "all_new_after", took)...)
	x.stop()
}

// When every answer is a failure, second tries would only add to the load. They stay a tenth of it, apart from the ten in
// ten seconds that every service has; with the breaker on, next to nothing reaches the nodes.
func TestUpRetriesDoNotMultiplyFailure(t *testing.T) {
	const file = "services:\n  service: {run: [service], nodes: 3, breaker: "
	fleets := map[string]*running{
		"off": upQuietly(t, file+"off}\n", "-f", "-"),
		"on":  upQuietly(t, file+"{failure_rate: 50%}}\n", "-f", "-"),
	}
	loads := map[string]*traffic{}
	for breaker, x := range fleets {
		loads[breaker] = offer(x, 150, func(int) *http.Request { return request("GET", "/status/503?ms=1") })
	}
	for breaker, x := range fleets {
		l := loads[breaker]
		x.await("1500 requests have failed", func() bool { return l.soFar() > 1500 })
		answers := l.end()
		for _, a := range answers {
			if a.status != 503 {
				t.Errorf("breaker %s: %v", breaker, a)
			}
		}
		s, tries := summarize(answers), x.tries()
		if float64(tries) > 1.1*float64(s.n)+10 {
			t.Errorf("breaker %s: %d tries for %d requests", breaker, tries, s.n)
		}
		figure(t, "amplification-breaker-"+breaker, "requests", s.n, "rps", int(s.rate), "tries", tries,
			"tries_per_request", float64(tries)/float64(s.n))
		if said := x.verb("status"); strings.Contains(said, "circuit breaker") != (breaker == "on") {
			t.Errorf("breaker %s: status says\n%s", breaker, said)
		}
		x.stop()
	}
}

// saysOutage checks an answer that the gateway gave itself because there was no node to ask. Only a request that was sent to
// a node before the gateway could know that it is dead may hear something else: that nobody knows what became of it. The
// kernel of a busy machine takes some milliseconds to tell the gateway that the other end of a connection is gone.
func saysOutage(t *testing.T, a answer, dead time.Time) {
	t.Helper()
	var problem struct {
		Status         int
		Reason, Detail string
	}
	err := json.Unmarshal([]byte(a.body), &problem)
	switch {
	case a.err != nil || err != nil || a.header.Get("Content-Type") != "application/problem+json":
	case problem.Status != a.status || problem.Reason == "" || problem.Detail == "":
	case a.status == 503 && a.header.Get("Retry-After") != "":
		return
	case a.status == 502 && problem.Reason == "node_failed" && a.due.Before(dead.Add(time.Second)):
		return
	}
	t.Errorf("not a clear 503: %v %v", a, a.header)
}

// reasons counts the answers by the reason that the gateway gave.
func reasons(answers []answer) string {
	count := map[string]int{}
	for _, a := range answers {
		var problem struct{ Reason string }
		json.Unmarshal([]byte(a.body), &problem)
		count[problem.Reason]++
	}
	var all []string
	for reason, n := range count {
		all = append(all, fmt.Sprintf("%s:%d", reason, n))
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

// tries is how many requests were sent to nodes, or tried to be.
func (x *running) tries() (n uint64) {
	x.t.Helper()
	for _, node := range x.nodes() {
		n += node.Requests
	}
	return n
}

// freeAddresses are loopback addresses that nobody listens on. They are below those that outgoing connections get, so that
// none of them takes one while its node is down.
func freeAddresses(t *testing.T, n int) (all []string) {
	t.Helper()
	for port := 15000 + os.Getpid()%1000; port < 20000 && len(all) < n; port++ {
		address := net.JoinHostPort("127.0.0.1", fmt.Sprint(port))
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			all = append(all, address)
		}
	}
	return all
}

// otherNode runs a node that is not tenfold's, until the end of the test, and returns when it answers.
func otherNode(t *testing.T, address string) *exec.Cmd {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	cmd := exec.Command("service")
	cmd.Env = append(os.Environ(), "HOST="+host, "PORT="+port, raceQuickly)
	cmd.SysProcAttr = tethered()
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(time.Millisecond) {
		if c, err := dial(address); err == nil {
			defer c.Close()
			if _, err := c.do(request("GET", "/")); err == nil {
				return cmd
			}
		}
	}
	t.Fatalf("no answer from %s", address)
	return nil
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
