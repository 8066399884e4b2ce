package cache

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// realRedis is a private redis-server (or valkey-server) of one test.
type realRedis struct {
	t       testing.TB
	program string
	address string
	args    []string
	dir     string
	cmd     *exec.Cmd
}

// startRedis starts a server on a free loopback port, in memory. Without one on PATH the test is skipped aloud, and fails in
// CI.
func startRedis(t testing.TB, args ...string) *realRedis {
	t.Helper()
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			r := &realRedis{t: t, program: path, address: l.Addr().String(), args: args, dir: t.TempDir()}
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

func (r *realRedis) start() {
	r.t.Helper()
	_, port, _ := net.SplitHostPort(r.address)
	args := append([]string{"--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0", "--dir", r.dir}, r.args...)
	r.cmd = exec.Command(r.program, args...)
	dieWithTest(r.cmd)
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	for range 500 {
		if r.ping() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("%s does not answer at %s", r.program, r.address)
}

func (r *realRedis) ping() bool {
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

func (r *realRedis) kill() {
	if r.cmd != nil {
		r.cmd.Process.Kill()
		r.cmd.Wait()
		r.cmd = nil
	}
}

func (r *realRedis) pause()   { r.cmd.Process.Signal(syscall.SIGSTOP) }
func (r *realRedis) carryOn() { r.cmd.Process.Signal(syscall.SIGCONT) }

func connect(t testing.TB, address string) rueidis.Client {
	t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{address}, DisableCache: true, ForceSingleClient: true,
		Dialer: net.Dialer{Timeout: time.Second}, ConnWriteTimeout: 2 * time.Second,
		ReadBufferEachConn: 32 << 10, WriteBufferEachConn: 32 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// say runs one command on a server and returns its answer as text.
func say(t testing.TB, client rueidis.Client, words ...string) string {
	t.Helper()
	m, err := client.Do(context.Background(), client.B().Arbitrary(words...).Build()).ToMessage()
	if err != nil {
		t.Fatalf("%v: %v", words, err)
	}
	return m.String()
}

// running starts Run and waits until the first level serves.
func running[K comparable, V any](t testing.TB, c *Cache[K, V]) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	for end := time.Now().Add(10 * time.Second); !c.valid(c.session.Load()); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the first level does not come up")
		}
	}
	return stop
}
