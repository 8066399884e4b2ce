package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redisscript"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// program is a Process for tests. In tenfold the process driver starts it.
type program struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

func start(_ context.Context, _ string, argv []string) (Process, error) {
	p := &program{cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{})}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *program) Done() <-chan struct{} { return p.done }
func (p *program) Err() error            { return p.err }
func (p *program) Stop(context.Context) error {
	p.cmd.Process.Kill()
	<-p.done
	return nil
}

func open(t *testing.T, spec string, o *Options) *Store {
	t.Helper()
	s, err := New(spec, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		s.Run(ctx)
		close(done)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return s
}

func client(t *testing.T, url string) rueidis.Client {
	t.Helper()
	o, err := rueidis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	o.DisableCache = true
	c, err := rueidis.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Both kinds of store that tenfold starts keep values, let them expire, and refuse a wrong password.
func TestStores(t *testing.T) {
	for _, kind := range []string{"embedded", "memory server", "private"} {
		t.Run(kind, func(t *testing.T) {
			o := &Options{}
			switch kind {
			case "memory server":
				o.Start, o.MemoryServer, o.LookPath = start, memoryServer, noServer
			case "private":
				requireRedis(t)
				o.Start = start
			}
			s := open(t, "auto", o)
			c := client(t, s.URL())
			set := c.B().Set().Key("k").Value("v").PxMilliseconds(200).Build()
			if err := c.Do(t.Context(), set).Error(); err != nil {
				t.Fatal(err)
			}
			if v, err := c.Do(t.Context(), c.B().Get().Key("k").Build()).ToString(); v != "v" || err != nil {
				t.Errorf("get: %q %v", v, err)
			}
			deadline := time.Now().Add(10 * time.Second)
			for {
				err := c.Do(t.Context(), c.B().Get().Key("k").Build()).Error()
				if rueidis.IsRedisNil(err) {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("the value does not expire: %v", err)
				}
				time.Sleep(5 * time.Millisecond)
			}
			wrong, _ := rueidis.ParseURL(s.URL())
			wrong.Password = "guess"
			if err := ping(t.Context(), wrong); err == nil {
				t.Error("the store accepts a wrong password")
			}
			if strings.Contains(s.Describe(), wrong.Password) {
				t.Error("the description contains the password")
			}
		})
	}
}

// TestMain makes this program a memory server when a store of the tests starts it as one.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "memory-store" {
		if err := RunMemoryServer(context.Background(), os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

var memoryServer = []string{os.Args[0], "memory-store"}

func noServer(string) (string, error) { return "", exec.ErrNotFound }

func TestMemoryServerRefusesOtherFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "store.conf")
	for _, text := range []string{"", "\n\n", "bind 127.0.0.1\nport 0\n", "requirepass secret\n", "port 0\nrequirepass secret\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := RunMemoryServer(t.Context(), file); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
	if err := RunMemoryServer(t.Context(), "no/such/file"); err == nil {
		t.Error("a missing file: no error")
	}
}

func requireRedis(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err == nil {
		return
	}
	if ci() {
		t.Fatal("redis-server is missing: apt-get install redis-server")
	}
	t.Skip("redis-server is missing: apt-get install redis-server")
}

func TestPrivateStoreIsReplacedAtTheSameAddress(t *testing.T) {
	requireRedis(t)
	started := make(chan *program, 10)
	s := open(t, "auto", &Options{Start: func(ctx context.Context, id string, argv []string) (Process, error) {
		p, err := start(ctx, id, argv)
		if err == nil {
			started <- p.(*program)
		}
		return p, err
	}})
	url := s.URL()
	c, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	(<-started).cmd.Process.Kill()
	<-started
	o, _ := rueidis.ParseURL(url)
	deadline := time.Now().Add(10 * time.Second)
	for ping(t.Context(), o) != nil {
		if time.Now().After(deadline) {
			t.Fatal("no new server at the old address")
		}
	}
	for err = net.ErrClosed; err != nil; err = c.Do(t.Context(), c.B().Ping().Build()).Error() {
		if time.Now().After(deadline) {
			t.Fatalf("the client does not reconnect: %v", err)
		}
	}
}

func TestClientIsSharedAndClosedWithTheStore(t *testing.T) {
	s, err := New("auto", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	all := make(chan rueidis.Client)
	for range 10 {
		go func() {
			c, err := s.Client()
			if err != nil {
				t.Error(err)
			}
			all <- c
		}()
	}
	first := <-all
	for range 9 {
		if c := <-all; c != first {
			t.Error("Client returned two clients")
		}
	}
	if err := first.Do(t.Context(), first.B().Ping().Build()).Error(); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := s.Client(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Run, Client returned %v", err)
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within a minute", what)
		}
	}
}

// forwarder forwards connections to one of several servers, like a floating IP. A change affects new connections only.
type forwarder struct {
	address string
	to      atomic.Value // string
}

func forward(t *testing.T, to string) *forwarder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &forwarder{address: l.Addr().String()}
	f.to.Store(to)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer in.Close()
				out, err := net.Dial("tcp", f.to.Load().(string))
				if err != nil {
					return
				}
				defer out.Close()
				all.Go(func() {
					io.Copy(out, in)
					out.Close()
				})
				io.Copy(in, out)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return f
}

// After a failover behind one address, the old master is a replica, and its connections stay open. The client connects
// to the new master.
func TestClientLeavesAServerThatBecameAReplica(t *testing.T) {
	first, second := redistest.Start(t).Addr(), redistest.Start(t).Addr()
	vip := forward(t, first)
	s := open(t, "redis://"+vip.address, nil)
	old, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	script := redisscript.New("return redis.call('INCR', KEYS[1])")
	if n, err := script.Run(t.Context(), old, []string{"k"}).AsInt64(); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	host, port, _ := net.SplitHostPort(second)
	admin := client(t, "redis://"+first)
	if err := admin.Do(t.Context(), admin.B().Arbitrary("REPLICAOF", host, port).Build()).Error(); err != nil {
		t.Fatal(err)
	}
	vip.to.Store(second)
	var all sync.WaitGroup
	for range 10 { // the old client is closed while other goroutines use it
		all.Go(func() {
			await(t, "the new master", func() bool {
				c, err := s.Client()
				if err != nil {
					return false
				}
				err = script.Run(t.Context(), c, []string{"k"}).Error()
				answer, ok := rueidis.IsRedisErr(err)
				if ok && !strings.HasPrefix(answer.Error(), "READONLY") {
					t.Error(err)
				}
				return err == nil
			})
		})
	}
	all.Wait()
	if now, err := s.Client(); now == old || err != nil {
		t.Errorf("the old client is still shared, %v", err)
	}
	if err := old.Do(t.Context(), old.B().Ping().Build()).Error(); !errors.Is(err, rueidis.ErrClosing) {
		t.Errorf("the old client is still open: %v", err)
	}
	for text, want := range map[string]bool{
		"READONLY You can't write against a read only replica.":                                                                           true,
		"ERR Error running script (call to f_1): @user_script:3: @user_script: 3: -READONLY You can't write against a read only replica.": true,
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.":                                                true,
		"NOSCRIPT No matching script.": false,
	} {
		if isReplicaError(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func TestClientOfAnUnreachableStore(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s, err := New("redis://:secret@"+l.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := s.Client(); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "refused") {
			t.Fatalf("%v", err)
		}
	}
	if s, _ := New("none", nil); s == nil {
		t.Fatal("New returned no store for none")
	} else if _, err := s.Client(); !errors.Is(err, ErrNone) {
		t.Errorf("%v", err)
	}
}

// logged collects what a store logs.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) count(message string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), message)
}

// A store opens while its server is away. It says so, and connects when the server is there. It logs each change once.
func TestServerThatStartsLater(t *testing.T) {
	log := &logged{}
	address := redistest.FreeAddr(t)
	s := open(t, "redis://:secret@"+address+"/0", &Options{Log: slog.New(slog.NewTextHandler(log, nil))})
	if h := s.Health(); h.Up || h.Err == nil || !strings.Contains(h.Err.Error(), "connection refused") || h.Since.IsZero() {
		t.Errorf("before the server starts: %+v", h)
	}
	if n := log.count("tenfold starts without it"); n != 1 {
		t.Errorf("the start without the store was logged %d times", n)
	}
	if _, err := s.Client(); err == nil {
		t.Error("Client connected to a server that does not run")
	}
	server := exec.Command("redis-server", "--port", port(address), "--bind", "127.0.0.1", "--requirepass", "secret", "--save", "")
	server.Dir = t.TempDir()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		server.Process.Kill()
		server.Wait()
	})
	t.Cleanup(stop)
	await(t, "connection", func() bool { return s.Health().Up })
	c, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Do(t.Context(), c.B().Ping().Build()).Error(); err != nil {
		t.Error(err)
	}
	if n := log.count("store answers"); n != 1 {
		t.Errorf("the connection was logged %d times", n)
	}
	stop()
	await(t, "loss", func() bool { return !s.Health().Up })
	time.Sleep(2 * checkPause)
	if n := log.count("store does not answer\""); n != 1 || log.count("secret") > 0 {
		t.Errorf("the loss was logged %d times: %s", n, log.text.String())
	}
}

func port(address string) string { _, port, _ := net.SplitHostPort(address); return port }

// A name that DNS does not know is a store that does not answer.
func TestStoreWithoutAnAddress(t *testing.T) {
	s := open(t, "redis://store.invalid:6379", nil)
	if h := s.Health(); h.Up || h.Err == nil {
		t.Errorf("%+v", h)
	}
}

// A wrong password does not become right by waiting: Open fails.
func TestRefusedError(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "right")
	s, err := New("redis://:secret@"+server.Addr()+"/0", nil)
	if err != nil {
		t.Fatal(err)
	}
	var refused *RefusedError
	if err := s.Open(t.Context()); !errors.As(err, &refused) || strings.Contains(err.Error(), "secret") {
		t.Fatalf("open: %v", err)
	}
	if !strings.Contains(refused.Error(), "WRONGPASS") || !strings.Contains(refused.Hint(), "password") {
		t.Errorf("message %q, hint %q", refused, refused.Hint())
	}
}

func TestNoneHasNoURL(t *testing.T) {
	if s := open(t, "none", nil); s.URL() != "" {
		t.Errorf("URL %q", s.URL())
	}
}

func TestMalformedURLIsRefused(t *testing.T) {
	if _, err := New("redis://:secret@host:notaport", nil); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

func TestPrivateStoreThatDoesNotStart(t *testing.T) {
	s, err := New("auto", &Options{Start: start, LookPath: func(string) (string, error) { return "/bin/false", nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "it ended") {
		t.Errorf("open: %v", err)
	}
}

// ci reports whether a missing server is a failure.
func ci() bool { return os.Getenv("CI") != "" }

// Run ends soon although the server hangs, also while a check waits for its answer. The shared client waits for
// dialTimeout when it closes.
func TestStopWhileTheServerHangs(t *testing.T) {
	server := redistest.Start(t)
	s, err := New("redis://"+server.Addr(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	if c, err := s.Client(); err != nil || c.Do(t.Context(), c.B().Ping().Build()).Error() != nil {
		t.Fatal("the shared client does not connect", err)
	}
	time.Sleep(checkPause + checkPause/2) // the first check has connected
	server.Pause()
	defer server.Resume()
	time.Sleep(checkPause)
	begun := time.Now()
	cancel()
	<-done
	if took := time.Since(begun); took > 2*dialTimeout {
		t.Errorf("Run ended after %s", took)
	} else {
		t.Logf("Run ended after %s", took)
	}
}

// The server of a predecessor keeps its data. One that has ended is replaced at its address.
func TestStoreIsHandedOver(t *testing.T) {
	processes := map[string]Process{}
	o := &Options{MemoryServer: memoryServer, LookPath: noServer, Start: func(ctx context.Context, id string, argv []string) (Process, error) {
		p, err := start(ctx, id, argv)
		processes[id] = p
		return p, err
	}}
	old := open(t, "auto", o)
	c := client(t, old.URL())
	if err := c.Do(t.Context(), c.B().Set().Key("k").Value("v").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	h, err := old.Handover()
	if err != nil || h.ID != "store.1" {
		t.Fatalf("Handover returned %+v, %v", h, err)
	}
	find := func(id string) (Process, bool) { p, ok := processes[id]; return p, ok }
	next, err := New("auto", o)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Adopt(h, find); err != nil {
		t.Fatal(err)
	}
	if err := next.Open(t.Context()); err != nil || next.URL() != old.URL() || len(processes) != 1 {
		t.Fatalf("the successor is at %s with %d servers, %v; want %s", next.URL(), len(processes), err, old.URL())
	}
	if again, err := next.Handover(); err != nil || again != h {
		t.Errorf("handed on as %+v, %v; want %+v", again, err, h)
	}
	if v, err := c.Do(t.Context(), c.B().Get().Key("k").Build()).ToString(); v != "v" || err != nil {
		t.Errorf("the value is %q, %v", v, err)
	}
	if err := next.Adopt(Handover{ID: "store.1", URL: "redis://"}, find); err == nil {
		t.Error("a malformed URL is accepted")
	}
	if inProcess, err := New("auto", nil); err != nil {
		t.Error(err)
	} else if _, err := inProcess.Handover(); !errors.Is(err, ErrNoHandover) {
		t.Errorf("a store in this process: %v", err)
	}
	if h, err := open(t, "none", nil).Handover(); h != (Handover{}) || err != nil {
		t.Errorf("no store: %+v, %v", h, err)
	}
}
