package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/status"
)

const kills = 30

// A node that dies costs no visitor anything: what was on it is asked again elsewhere.
func TestUpKilledNodesCostNoGET(t *testing.T) {
	x := upQuietly(t, "", "--nodes", "3", "--", "service")
	l := offer(x, 1000, visits)
	for range kills {
		x.killOne()
		// Every request on the dead node is a second try. They may be a tenth of the traffic, so let some of that pass.
		seen := l.soFar()
		x.await("traffic goes on", func() bool { return l.soFar() > seen+5*most })
	}
	answers := l.end()
	noneFailed(t, answers)
	retries := x.metric(`tenfold_upstream_retries_total{service="service"}`)
	figure(t, "kill-get", summarize(answers).pairs("kills", kills, "retries", retries)...)
	x.stop()
}

// An order that may have reached the dead node is not sent to another one: its customer hears that nobody knows. All
// other orders are taken, and none twice.
func TestUpKilledNodesGetNoPOSTTwice(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "journal")
	x := up(t, call{
		args: []string{"--nodes", "3", "--store", "none", "--access", "on", "--log", "json", "--", "service"},
		env:  []string{"SERVICE_JOURNAL=" + journal},
	})
	l := offer(x, 500, func(i int) *http.Request { return request("POST", fmt.Sprintf("/orders/%d?ms=20", i)) })
	killed := map[string]bool{}
	for range kills {
		killed[x.killOne()] = true
	}
	answers := l.end()

	taken := takenOrders(t, journal)
	for id, times := range taken {
		if times > 1 {
			t.Errorf("order %s was taken %d times", id, times)
		}
	}
	failed := map[string]bool{}
	for _, a := range answers {
		switch {
		case !a.failed():
			if id := strings.TrimPrefix(a.path, "/orders/"); taken[id] != 1 {
				t.Errorf("order %s was confirmed, and taken %d times", id, taken[id])
			}
		case a.status == 502 && strings.Contains(a.body, `"reason":"node_failed"`):
			failed[a.path] = true
		default:
			t.Errorf("failed: %v", a)
		}
	}
	const series = `tenfold_upstream_not_retried_total{reason="unsafe",service="service"}`
	if counted := int(x.metric(series)); counted != len(failed) {
		t.Errorf("%s is %d, and %d requests failed", series, counted, len(failed))
	}
	x.await("the access log has every failed request", func() bool { return len(failedRecords(t, x)) == len(failed) })
	for _, r := range failedRecords(t, x) {
		if !killed[r.Node] || !failed[r.Path] {
			t.Errorf("failed on node %s, which was not killed: %+v", r.Node, r)
		}
	}
	if x.metric(`tenfold_upstream_in_flight{service="service"}`) != 0 {
		t.Error("requests are in flight, and all were answered")
	}
	figure(t, "kill-post", summarize(answers).pairs("kills", kills, "taken", len(taken), "twice", 0)...)
	x.stop()
}

// takenOrders counts how often each order came to a node.
func takenOrders(t *testing.T, journal string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	taken := map[string]int{}
	for line := range strings.Lines(string(text)) {
		taken[strings.TrimSuffix(line, "\n")]++
	}
	return taken
}

// accessRecord is a record of the access log.
type accessRecord struct {
	Msg, Path, Node, Reason string
	Status, Tries           int
}

// failedRecords returns what the access log says about requests that were answered with an error.
func failedRecords(t *testing.T, x *running) (all []accessRecord) {
	t.Helper()
	for line := range strings.Lines(x.stderr.String()) {
		var r accessRecord
		if json.Unmarshal([]byte(line), &r) == nil && r.Msg == "request" && r.Status >= 400 {
			all = append(all, r)
		}
	}
	return all
}

// steady is how long a node must have worked so that its end is an accident, which is made good at once, and not one more
// failure of a service that does not work, which is tried again more and more slowly.
const steady = 1500 * time.Millisecond

// killOne kills the node that has worked for longest, and returns when another one has taken its place and works too.
func (x *running) killOne() (id string) {
	x.t.Helper()
	all := x.nodes()
	victim := slices.MinFunc(all, func(a, b status.Node) int { return a.Started.Compare(b.Started) })
	x.await("the oldest node has worked for a while", func() bool { return time.Since(victim.Started) > steady })
	kill(x.t, victim.PID, syscall.SIGKILL)
	x.await("the killed node is replaced", func() bool {
		now := x.nodes()
		return len(now) == len(all) && !slices.ContainsFunc(now, func(n status.Node) bool {
			return n.ID == victim.ID || !usable(n) || n.Requests == 0
		})
	})
	return victim.ID
}
