package ratelimit

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/internal/store"
)

// patient is for tests of what happens, not of how long it takes: machines that run them may be busy.
const patient = time.Minute

// memory is a store whose time is a clock's.
type memory struct {
	*miniredis.Miniredis
	clock
}

var epoch = time.Unix(2_000_000_000, 0)

func newMemory(t testing.TB) *memory {
	t.Helper()
	m := &memory{Miniredis: miniredis.RunT(t)}
	m.ClockTTL(true)
	m.SetTime(epoch)
	return m
}

func (m *memory) sleep(d time.Duration) {
	m.clock.sleep(d)
	m.SetTime(epoch.Add(time.Duration(m.Load())))
}

func connect(t testing.TB, address string) rueidis.Client {
	t.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{address}, DisableCache: true, DisableRetry: true, ForceSingleClient: true, PipelineMultiplex: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// gateway is one of a fleet under the store's clock.
func (m *memory) gateway(t testing.TB, name string) *Limits {
	t.Helper()
	limits := New(nil, nil)
	limits.now = m.clock.Load
	limits.fleet = newFleet(limits.metrics, nil, patient)
	var a asker = ledger{connect(t, m.Addr()), name}
	limits.fleet.asker.Store(&a)
	return limits
}

// redis is a private redis-server (or valkey-server) of one test.
type redis struct {
	t       testing.TB
	program string
	address string
	dir     string
	cmd     *exec.Cmd
	life    io.Closer // the server dies when it is closed, also when the test is killed
	pid     int
}

// startRedis starts a server on a free loopback port, in memory. Without one on PATH the test is skipped aloud, and fails in
// CI.
func startRedis(t testing.TB) *redis {
	t.Helper()
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			r := &redis{t: t, program: path, address: l.Addr().String(), dir: t.TempDir()}
			l.Close()
			r.start()
			t.Cleanup(r.kill)
			return r
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("redis-server is not on PATH")
	}
	t.Skip("SKIPPED: redis-server is not on PATH; apt-get install redis-server")
	return nil
}

// start runs the server below a shell that prints its process id, and kills it when its own input ends.
func (r *redis) start() {
	r.t.Helper()
	_, port, _ := net.SplitHostPort(r.address)
	r.cmd = exec.Command("sh", "-c", `"$@" </dev/null >/dev/null 2>&1 & echo $!; read _; kill -9 $!; wait`, "sh",
		r.program, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", r.dir)
	in, err := r.cmd.StdinPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	r.life = in
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	if _, err := fmt.Fscan(out, &r.pid); err != nil {
		r.t.Fatalf("start %s: %v", r.program, err)
	}
	await(r.t, r.program+" answers at "+r.address, r.ping)
}

func (r *redis) ping() bool {
	conn, err := net.DialTimeout("tcp", r.address, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	fmt.Fprint(conn, "PING\r\n")
	b := make([]byte, 7)
	_, err = conn.Read(b)
	return err == nil && b[0] == '+'
}

func (r *redis) kill() {
	if r.cmd != nil {
		r.life.Close() // SIGKILL ends one that is paused, too
		r.cmd.Wait()
		r.cmd = nil
	}
}

func (r *redis) pause()   { syscall.Kill(r.pid, syscall.SIGSTOP) }
func (r *redis) carryOn() { syscall.Kill(r.pid, syscall.SIGCONT) }

// open opens a store, which runs until the test ends.
func open(t testing.TB, spec string) *store.Store {
	t.Helper()
	s, err := store.New(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	untilEnd(t, s.Run)
	return s
}

// running is the limits of one gateway, which count for the fleet when it returns.
func running(t testing.TB, s *store.Store, o *Options) *Limits {
	t.Helper()
	limits := New(s, o)
	limits.used = true
	untilEnd(t, limits.Run)
	await(t, "the fleet is up", limits.fleet.up)
	return limits
}

func untilEnd(t testing.TB, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// await returns when what is said to happen has happened.
func await(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not happen that %s", what)
		}
	}
}
