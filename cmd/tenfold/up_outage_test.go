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

// While no node answers, every request gets an error at once and no request waits. When a node answers its probe again,
// requests succeed again. tenfold neither starts nor replaces these nodes: they are a list of addresses.
func TestUpOutageIsAnsweredAtOnce(t *testing.T) {
	const interval = time.Second
	addresses := freeAddresses(t, 3)
	var others []*exec.Cmd
	for _, address := range addresses {
		others = append(others, startListedNode(t, address))
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
	x.await("the last node gets no requests", func() bool { return x.metric(usable) == 0 })
	out := time.Since(down)
	seen := l.soFar()
	x.await("the outage continues", func() bool { return l.soFar() > seen+2*l.rate })
	if n := x.metric(`tenfold_upstream_in_flight{service="service"}`); n != 0 {
		t.Errorf("%v requests are in flight, but no node runs", n)
	}
	if n := x.metric(`tenfold_upstream_queue_wait_seconds_count{service="service"}`); n != 0 {
		t.Errorf("%v requests waited in the queue, but no node runs", n)
	}
	tries = x.tries() - tries
	if said := x.verb("status"); strings.Count(said, "probe: ") != 3 {
		t.Errorf("status does not show the probe errors of three nodes:\n%s", said)
	}

	for _, address := range addresses {
		startListedNode(t, address)
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
			wantOutageAnswer(t, a, dead)
			outage = append(outage, a)
		case answered.After(begun):
			back = min(back, answered.Sub(begun))
		}
	}
	if back > 10*interval { // one interval, and the delay of a busy machine
		t.Errorf("the first answer came %v after the nodes were up, which are probed every %v", back, interval)
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
		t.Errorf("half of the requests waited longer than %v for the error", half)
	}
	figure(t, "outage", summarize(outage).pairs("reasons", reasons(outage), "last_node_out_after", out, "tries_per_request", amplification, "recovery", back)...)
	x.stop()
}

// The same with nodes that tenfold runs: it sees them end and starts new ones at once.
func TestUpAllNodesKilledAtOnce(t *testing.T) {
	x := upQuietly(t, "", "--nodes", "3", "--", "service")
	l := offer(x, 200, func(int) *http.Request { return request("GET", "/small?ms=5") })
	x.await("traffic flows", func() bool { return l.soFar() > 100 })
	old := x.nodes()
	down := time.Now()
	for _, n := range old {
		kill(t, n.PID, syscall.SIGKILL)
	}
	x.await("all of them have ended", func() bool {
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
			wantOutageAnswer(t, a, dead)
			outage = append(outage, a)
			last = maxTime(last, a.due.Add(a.took))
		}
	}
	figure(t, "outage-killed", summarize(outage).pairs("reasons", reasons(outage), "last_failure_after", last.Sub(down), "all_new_after", took)...)
	x.stop()
}

// When every answer is a failure, retries only add load. They stay below a tenth of the requests, apart from the ten in
// ten seconds that every service has. With the circuit breaker on, nearly no request reaches the nodes.
func TestUpRetriesDoNotMultiplyFailure(t *testing.T) {
	const file = "services:\n  service: {run: [service], nodes: 3, breaker: "
	fleets := map[string]*running{
		"off": upQuietly(t, file+"off}\n", "-f", "-"),
		"on":  upQuietly(t, file+"{failure_rate: 50%}}\n", "-f", "-"),
	}
	loads := map[string]*traffic{}
	for breaker, x := range fleets {
		loads[breaker] = offer(x, 150, func(i int) *http.Request {
			return request("GET", fmt.Sprintf("/status/%d?ms=1", 502+i%3)) // the breaker counts what is spread over URLs
		})
	}
	for breaker, x := range fleets {
		l := loads[breaker]
		x.await("3000 requests have failed", func() bool { return l.soFar() > 3000 })
		answers := l.end()
		for _, a := range answers {
			if a.status < 502 || a.status > 504 {
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

// wantOutageAnswer checks an answer that the gateway made because there was no node. A request that was sent to a node
// before the gateway knew that it had ended may get another error, which says that its outcome is unknown. The kernel
// of a busy machine takes some milliseconds to report the end of a connection.
func wantOutageAnswer(t *testing.T, a answer, dead time.Time) {
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
	t.Errorf("want a 503 with a reason: %v %v", a, a.header)
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

// tries counts the requests that were sent to nodes, and the attempts to send one.
func (x *running) tries() (n uint64) {
	x.t.Helper()
	for _, node := range x.nodes() {
		n += node.Requests
	}
	return n
}

// freeAddresses are loopback addresses without a listener. Their ports are below those of outgoing connections, so that
// no connection takes one while its node is down.
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

// startListedNode runs a node that tenfold does not start, until the end of the test. It returns when the node answers.
func startListedNode(t *testing.T, address string) *exec.Cmd {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	cmd := exec.Command("service")
	cmd.Env = append(os.Environ(), "HOST="+host, "PORT="+port, raceQuickly)
	cmd.SysProcAttr = endWithTest()
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
	t.Fatalf("%s does not answer", address)
	return nil
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
