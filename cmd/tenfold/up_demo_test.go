package main

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// demo runs "tenfold demo" on free ports and returns when the shop is ready.
func demo(t *testing.T, args ...string) *running {
	t.Helper()
	x := start(t, call{args: append([]string{"demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, args...)})
	found := x.stderr.await(x, `(?s)the shop is on (http://\S+).*tenfold status --admin (\S+).*Ctrl-C`)
	x.url, x.admin = found[1], found[2]
	x.awaitReady()
	return x
}

// The demo runs a shop and prints what to try. All of that works.
func TestUpDemo(t *testing.T) {
	begun := time.Now()
	x := demo(t)
	figure(t, "demo", "shop_open_after", time.Since(begun))
	l := offer(x, 50, visitShop)

	if said := x.verb("status", "--admin", x.admin); !strings.HasPrefix(said, "shop: 3 of 3 ready\n") {
		t.Errorf("tenfold status says %q", said)
	}
	killed := x.nodes()[0]
	kill(t, killed.PID, syscall.SIGKILL)
	x.await("the killed node is gone", func() bool { return x.node(killed.ID).ID == "" })
	x.awaitReady()
	x.verb("restart", "shop", "--admin", x.admin)
	answers := l.end()
	noneFailed(t, answers)
	figure(t, "demo-shop", summarize(answers).pairs()...)
	x.stop()
}
