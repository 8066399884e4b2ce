package fleet_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// A command that listens on another address, or on none, runs but never becomes ready.
func TestSlowStartIsLoggedOncePerService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.ready = func(id string) time.Duration {
			if strings.HasPrefix(id, "shop") {
				return -1
			}
			return 4 * time.Second
		}
		other := shop(1)
		other.Name = "other"
		s := shop(3)
		s.Probe = config.Probe{Path: "/", Status: []config.StatusRange{{From: 200, To: 399}, {From: 404, To: 404}}, Body: "up"}
		r := start(t, sim, s, other)
		time.Sleep(3 * time.Second)
		if n := sim.logCount("node is not ready"); n != 0 {
			t.Errorf("logged %d times in the first five seconds", n)
		}
		time.Sleep(10 * time.Minute) // each node is replaced about ten times
		if n := sim.logCount("node is not ready"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		expected := `service=shop node=shop-\d after_ms=5000 err=.* expected="it listens on shop-\d:80, ` +
			`which its environment names as HOST and PORT, and answers GET / with 200..399 or 404 and \\"up\\" in the body"`
		sim.wantLog(t, expected)
		r.stop(t, sim)
	})
}

// No program listens on the address of a listed node.
func TestListedNodeThatIsNotReadyIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.ready = func(id string) time.Duration {
			if id == "db-1" {
				return 0
			}
			return -1
		}
		db := static("db", "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")
		db.Probe.Off = true
		r := start(t, sim, db)
		time.Sleep(time.Hour)
		if n := sim.logCount("node is not ready"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		sim.wantLog(t, `service=db node=db-2 after_ms=5000 err=.* expected="it listens on 10.0.0.2:80"`)
		r.stop(t, sim)
	})
}

func TestFleetThatEndsSoonLogsNoSlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.ready = func(string) time.Duration { return -1 }
		r := start(t, sim, shop(2), static("db", "10.0.0.1:80"))
		r.stop(t, sim)
		if n := sim.logCount("node is not ready"); n != 0 {
			t.Errorf("logged %d times", n)
		}
	})
}
