package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// TestUpChaos lets visitors shop while faults happen one after the other and at the same time: nodes are killed, stopped, drained and
// restarted, the service is scaled, Redis is killed and stalls, the reader of the log stops reading, and idle clients take
// connections. No visitor may be logged out or lose a cart, no order may be lost or doubled, and no process and no descriptor may
// remain. It runs for 20 s; make soak runs it for ten minutes.
func TestUpChaos(t *testing.T) {
	length := 20 * time.Second
	if soak {
		length = 10 * time.Minute
	}
	redis := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	x := up(t, call{args: []string{"--access", "off", "--store", redis.URL(), "-f", "-"}, stdin: fmt.Sprintf(`
services:
  shop:
    run: [tenfold, shop, serve, --db, %q, --password-cost, "4", --payment-latency, 20ms]
    nodes: 2..5
    probe: {path: /readyz, interval: 500ms}
    drain: 5s
    idle_timeout: 5s
`, filepath.Join(t.TempDir(), "shop.db"))})
	seed := uint64(time.Now().UnixNano())
	c := &chaos{x: x, redis: redis, random: rand.New(rand.NewPCG(seed, 0)), counts: map[string]int{}}
	t.Logf("seed %d", seed)
	descriptors := openDescriptors(x.cmd.Process.Pid)

	crowd := c.sendCrowd(length, 40)
	c.run(length)
	visitors := crowd()
	x.awaitReady()
	lost, requests, repeated := 0, 0, 0
	for _, v := range visitors {
		if v.err != nil {
			t.Errorf("%s: %v", v.name, v.err)
		}
		if v.lost != (losses{}) {
			lost++
			t.Errorf("%s lost %+v", v.name, v.lost)
		}
		requests, repeated = requests+v.requests, repeated+v.repeated
	}
	x.await("the descriptors are closed again", func() bool { return openDescriptors(x.cmd.Process.Pid) <= descriptors+20 })
	pairs := []any{"visitors", len(visitors), "lost", lost, "requests", requests, "repeated", repeated, "took", length}
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range c.counts {
			if !yield(name) {
				return
			}
		}
	}) {
		pairs = append(pairs, name, c.counts[name])
	}
	figure(t, "chaos", pairs...)
	if len(visitors) < 20 {
		t.Errorf("only %d visits: this test shows nothing", len(visitors))
	}
	x.stop()
}

// chaos makes faults.
type chaos struct {
	x      *running
	redis  *redistest.Server
	random *rand.Rand
	counts map[string]int
	paused sync.WaitGroup // faults that end by themselves
}

// run makes a fault every one to two seconds. It returns when all faults have ended.
func (c *chaos) run(length time.Duration) {
	faults := map[string]func(){
		"kill": c.killNode, "stop": c.stopNode, "restart": func() { c.verb("restart", "shop") }, "scale": c.scale, "drain": c.drainNode,
		"redis_kill": c.killRedis, "redis_stall": c.stallRedis, "blocked_log": c.blockLog, "idle_clients": c.idleClients,
	}
	var names []string
	for name := range faults {
		names = append(names, name)
	}
	slices.Sort(names)
	for begun, i := time.Now(), 0; time.Since(begun) < length; i++ {
		name := names[i%len(names)] // each fault once, then any
		if i >= len(names) {
			name = names[c.random.IntN(len(names))]
		}
		faults[name]()
		c.counts[name]++
		time.Sleep(time.Second + time.Duration(c.random.Int64N(int64(time.Second))))
	}
	c.paused.Wait()
}

// pid returns the process of a random node, or 0.
func (c *chaos) pid() int {
	nodes := c.x.nodes()
	if len(nodes) == 0 {
		return 0
	}
	return nodes[c.random.IntN(len(nodes))].PID
}

func (c *chaos) killNode() {
	if pid := c.pid(); pid > 0 {
		kill(c.x.t, pid, syscall.SIGKILL)
	}
}

func (c *chaos) stopNode() {
	pid := c.pid()
	if pid <= 0 || syscall.Kill(pid, syscall.SIGSTOP) != nil {
		return
	}
	c.paused.Go(func() {
		time.Sleep(3 * time.Second)
		syscall.Kill(pid, syscall.SIGCONT) // the node may have been replaced
	})
}

func (c *chaos) scale() { c.verb("scale", "shop", fmt.Sprint(2+c.random.IntN(4))) }

func (c *chaos) drainNode() {
	if nodes := c.x.nodes(); len(nodes) > 0 {
		c.verb("drain", nodes[c.random.IntN(len(nodes))].ID)
	}
}

// verb runs a verb in the background. It may fail: the node may be gone, and a restart may be in progress.
func (c *chaos) verb(args ...string) {
	cmd := exec.Command("tenfold", args...)
	cmd.Env = append(os.Environ(), "TENFOLD_ADMIN="+c.x.admin, raceQuickly)
	cmd.SysProcAttr = endWithTest()
	if cmd.Start() == nil {
		c.paused.Go(func() { cmd.Wait() })
	}
}

func (c *chaos) killRedis() {
	c.redis.Kill()
	time.Sleep(time.Second)
	c.redis.Restart()
}

func (c *chaos) stallRedis() {
	c.redis.Pause()
	time.Sleep(1500 * time.Millisecond)
	c.redis.Resume()
}

// blockLog stops reading both streams of tenfold for a while.
func (c *chaos) blockLog() {
	for _, s := range []*transcript{c.x.stdout, c.x.stderr} {
		c.paused.Go(func() { s.block(3 * time.Second) })
	}
}

// idleClients opens connections that send nothing.
func (c *chaos) idleClients() {
	address := strings.TrimPrefix(c.x.url, "http://")
	c.paused.Go(func() {
		var all []net.Conn
		for range 300 {
			if nc, err := net.DialTimeout("tcp", address, time.Second); err == nil {
				all = append(all, nc)
			}
		}
		time.Sleep(3 * time.Second)
		for _, nc := range all {
			nc.Close()
		}
	})
}

// sendCrowd lets visitors shop one after the other, some at the same time, for a while. The function that it returns waits for the
// end of their visits, and returns the visitors.
func (c *chaos) sendCrowd(length time.Duration, atOnce int) func() []*shopper {
	transport := &http.Transport{MaxIdleConnsPerHost: atOnce}
	end := time.Now().Add(length)
	var mu sync.Mutex
	var all []*shopper
	var visits sync.WaitGroup
	for i := range atOnce {
		visits.Go(func() {
			for n := 0; time.Now().Before(end); n++ {
				jar, _ := cookiejar.New(nil) // never fails without options
				v := &shopper{
					http: &http.Client{Jar: jar, Transport: transport, Timeout: patience},
					shop: c.x.url, name: fmt.Sprintf("visitor-%d-%d", i, n), cart: map[string]int{},
				}
				if v.err = v.visit(); v.err == nil && v.lost == (losses{}) {
					v.err = v.visitAgain()
				}
				mu.Lock()
				all = append(all, v)
				mu.Unlock()
			}
		})
	}
	return func() []*shopper {
		visits.Wait()
		transport.CloseIdleConnections()
		return all
	}
}

// openDescriptors returns how many descriptors a process has, or 0 where the system does not tell.
func openDescriptors(pid int) int {
	files, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(files)
}
