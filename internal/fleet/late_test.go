package fleet_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// A command that listens elsewhere, or not at all, runs and is never ready: all three nodes of it.
func TestALateNodeIsToldOncePerService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.ready = func(id string) time.Duration {
			if strings.HasPrefix(id, "shop") {
				return -1
			}
			return 4 * time.Second
		}
		other := shop(1)
		other.Name = "other"
		s := shop(3)
		s.Probe = config.Probe{Path: "/", Status: []config.StatusRange{{From: 200, To: 399}, {From: 404, To: 404}}, Body: "up"}
		r := start(t, w, s, other)
		time.Sleep(3 * time.Second)
		if n := w.logged("node is not ready"); n != 0 {
			t.Errorf("told %d times in the first five seconds", n)
		}
		time.Sleep(10 * time.Minute) // each node is replaced some ten times
		if n := w.logged("node is not ready"); n != 1 {
			t.Errorf("told %d times", n)
		}
		expected := `service=shop node=shop-\d after_ms=5000 error=.* expected="it listens on shop-\d:80, ` +
			`which its environment names as HOST and PORT, and answers GET / with 200..399 or 404 and \\"up\\" in the body"`
		w.wrote(t, expected)
		r.stop(t, w)
	})
}

// A fixed address where nobody listens.
func TestALateNodeElsewhereIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.ready = func(id string) time.Duration {
			if id == "db-1" {
				return 0
			}
			return -1
		}
		db := static("db", "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")
		db.Probe.Off = true
		r := start(t, w, db)
		time.Sleep(time.Hour)
		if n := w.logged("node is not ready"); n != 1 {
			t.Errorf("told %d times", n)
		}
		w.wrote(t, `service=db node=db-2 after_ms=5000 error=.* expected="it listens on 10.0.0.2:80"`)
		r.stop(t, w)
	})
}

// What ends before is no news.
func TestAFleetThatEndsSoonSaysNothingOfLateNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.ready = func(string) time.Duration { return -1 }
		r := start(t, w, shop(2), static("db", "10.0.0.1:80"))
		r.stop(t, w)
		if n := w.logged("node is not ready"); n != 0 {
			t.Errorf("told %d times", n)
		}
	})
}
