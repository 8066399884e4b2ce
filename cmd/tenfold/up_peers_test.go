package main

import (
	"net/http"
	"testing"
	"time"
)

// A service that ends only after its peers have closed their connections is restarted without delay, although the gateway
// keeps connections for later requests.
func TestUpRestartOfServiceThatWaitsForItsPeers(t *testing.T) {
	needs(t, "python3", "python3")
	x := up(t, call{
		dir:  "testdata/apps/python",
		args: []string{"--nodes", "2", "--access", "off", "--store", "none", "--", "python3", "waits.py"},
	})
	l := offer(x, 50, func(int) *http.Request { return request("GET", "/") })
	x.await("100 answers are there", func() bool { return l.soFar() > 100 })
	begun := time.Now()
	x.verb("restart", "waits")
	took := time.Since(begun)
	noneFailed(t, l.end())
	if took > 10*time.Second { // two starts of Python, on a busy machine; the connections are idle for 60 s
		t.Errorf("the restart of 2 nodes took %v", took)
	}
	figure(t, "restart-waiting-peers", "nodes", 2, "took", took)
	x.stop()
}
