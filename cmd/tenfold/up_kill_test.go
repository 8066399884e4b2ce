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

// When a node is killed, no GET fails: the gateway sends its requests to another node.
func TestUpKilledNodesCostNoGET(t *testing.T) {
	x := upQuietly(t, "", "--nodes", "3", "--", "service")
	l := offer(x, 1000, visits)
	for range kills {
		x.killOne()
		// Each request of the killed node becomes a retry. Retries may be a tenth of all requests, so wait for more
		// requests.
		seen := l.soFar()
		x.await("traffic goes on", func() bool { return l.soFar() > seen+5*maxInFlight })
	}
	answers := l.end()
	noneFailed(t, answers)
	retries := x.metric(`tenfold_upstream_retries_total{service="service"}`)
	figure(t, "kill-get", summarize(answers).pairs("kills", kills, "retries", retries)...)
	x.stop()
}

// An order that may have reached the killed node is not sent to another one: the client gets an error that says so. All
// other orders are placed, and each one once.
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

	placed := countOrders(t, journal)
	for id, times := range placed {
		if times > 1 {
			t.Errorf("order %s was placed %d times", id, times)
		}
	}
	failed := map[string]bool{}
	for _, a := range answers {
		switch {
		case !a.failed():
			if id := strings.TrimPrefix(a.path, "/orders/"); placed[id] != 1 {
				t.Errorf("order %s was confirmed, but placed %d times", id, placed[id])
			}
		case a.status == 502 && strings.Contains(a.body, `"reason":"node_failed"`):
			failed[a.path] = true
		default:
			t.Errorf("failed: %v", a)
		}
	}
	const series = `tenfold_upstream_not_retried_total{reason="unsafe",service="service"}`
	if counted := int(x.metric(series)); counted != len(failed) {
		t.Errorf("%s is %d, but %d requests failed", series, counted, len(failed))
	}
	x.await("the access log has every failed request", func() bool { return len(failedRecords(t, x)) == len(failed) })
	for _, r := range failedRecords(t, x) {
		if !killed[r.Node] || !failed[r.Path] {
			t.Errorf("failed on node %s, which was not killed: %+v", r.Node, r)
		}
	}
	if x.metric(`tenfold_upstream_in_flight{service="service"}`) != 0 {
		t.Error("the gauge counts requests in flight, but all were answered")
	}
	figure(t, "kill-post", summarize(answers).pairs("kills", kills, "taken", len(placed), "twice", 0)...)
	x.stop()
}

// countOrders counts how often each order reached a node.
func countOrders(t *testing.T, journal string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	placed := map[string]int{}
	for line := range strings.Lines(string(text)) {
		placed[strings.TrimSuffix(line, "\n")]++
	}
	return placed
}

// accessRecord is a record of the access log.
type accessRecord struct {
	Msg, Path, Node, Reason string
	Status, Tries           int
}

// failedRecords returns the records of the access log for requests that got an error.
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

// stableAfter is how long a node must have worked so that the fleet replaces it at once. A node that ends sooner counts
// as another failure in a row, and the fleet waits longer after each one.
const stableAfter = 1500 * time.Millisecond

// killOne kills the oldest node. It returns when another node has replaced it and answers requests.
func (x *running) killOne() (id string) {
	x.t.Helper()
	all := x.nodes()
	oldest := slices.MinFunc(all, func(a, b status.Node) int { return a.Started.Compare(b.Started) })
	x.await("the oldest node has worked for a while", func() bool { return time.Since(oldest.Started) > stableAfter })
	kill(x.t, oldest.PID, syscall.SIGKILL)
	x.await("the killed node is replaced", func() bool {
		now := x.nodes()
		return len(now) == len(all) && !slices.ContainsFunc(now, func(n status.Node) bool {
			return n.ID == oldest.ID || !usable(n) || n.Requests == 0
		})
	})
	return oldest.ID
}
