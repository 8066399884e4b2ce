package gateway

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/store"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// A gateway is killed with SIGKILL at each step of a request, and the client repeats it at another one. A request with a recorded
// response is not sent again; any other is, when the lease has expired. Then every repetition gets the same response.
func TestGatewayKilledAtEveryStep(t *testing.T) {
	redis, shop := redistest.Start(t), newShop(t)
	other := startKeyed(t, redis.Addr(), shop.address)
	mustOrder(t, other.url(""), "first", 201) // from now on the server knows the scripts, so each step is one command
	for _, step := range []struct {
		name    string
		command int  // the gateway is killed at its n-th command to the store; 0: while the node works
		reply   bool // after the store has run it; else before
		claimed bool // the key is held for its lease
		before  int  // orders before the kill
		after   int  // orders after the response of the other gateway
	}{
		{"before the claim", 1, false, false, 0, 1},
		{"after the claim", 1, true, true, 0, 1},
		{"while the node works", 0, false, true, 1, 2},
		{"before the record", 2, false, true, 1, 2},
		{"after the record", 2, true, false, 1, 1},
	} {
		t.Run(step.name, func(t *testing.T) {
			key := strings.ReplaceAll(step.name, " ", "-")
			wire := tapped(t, redis.Addr())
			mortal := startProcess(t, wire.address, shop.address)
			if step.command > 0 {
				wire.arm(step.command, step.reply, mortal.kill)
			} else {
				shop.whileWorking(func(r *http.Request) {
					mortal.kill()
					<-r.Context().Done()
				})
			}
			if resp, text, err := order(t, mortal.url, key, strings.NewReader("book")); err == nil {
				t.Fatalf("the gateway lived to answer %s %s", resp.Status, text)
			}
			shop.whileWorking(nil)
			shop.wantPlaced(t, key, step.before)
			if step.claimed {
				resp, text, err := order(t, other.url(""), key, strings.NewReader("book"))
				if err != nil || resp.StatusCode != http.StatusConflict {
					t.Fatalf("%v %s %v", resp, text, err)
				}
				if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || s < 1 || s > 30 {
					t.Errorf("Retry-After: %q", resp.Header.Get("Retry-After"))
				}
				endLease(t, redis, key)
			}
			first, replayed := mustOrder(t, other.url(""), key, 201)
			if known := !step.claimed && step.before == 1; replayed != known {
				t.Errorf("replayed %v", replayed)
			}
			shop.wantPlaced(t, key, step.after)
			if again, replayed := mustOrder(t, other.url(""), key, 201); again != first || !replayed {
				t.Errorf("got %q, and then %q, replayed %v", first, again, replayed)
			}
			shop.wantPlaced(t, key, step.after)
		})
	}
	if n := other.counted(t)["tenfold_idempotency_takeovers_total"]; n != 3 {
		t.Errorf("%v takeovers are told of", n)
	}
}

// process is a gateway in another process, which runs this test binary.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser // the process ends when this is closed, and so also when the tests are killed
	url   string
	kill  func() // sends SIGKILL, and returns after the end of the process
}

const processStore, processNode = "TENFOLD_TEST_STORE", "TENFOLD_TEST_NODE"

func startProcess(t *testing.T, storeAddress, nodeAddress string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(exe, "-test.run", "^TestGatewayProcess$")}
	p.cmd.Env = append(os.Environ(), processStore+"="+storeAddress, processNode+"="+nodeAddress)
	p.cmd.Stderr = os.Stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.kill = sync.OnceFunc(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("gateway did not start: %v", err)
	}
	p.url = strings.TrimSpace(line)
	return p
}

// TestGatewayProcess is the other process. It is not a test.
func TestGatewayProcess(t *testing.T) {
	if os.Getenv(processStore) == "" {
		return
	}
	err := func() error {
		s, err := store.New("redis://"+os.Getenv(processStore), nil)
		if err != nil {
			return err
		}
		cfg, err := config.Parse("test.yaml", []byte("listen: 127.0.0.1:0\nadmin: off\n"+orders(os.Getenv(processNode))), nil)
		if err != nil {
			return err
		}
		g, err := New(cfg, &Options{Store: s, storeTimeout: patience})
		if err != nil {
			return err
		}
		if err := g.Listen(); err != nil {
			return err
		}
		set := setOf("shop", os.Getenv(processNode))
		g.Update(set)
		go func() {
			if g.AwaitReady(context.Background(), "shop", set.Nodes[0].ID) == nil {
				fmt.Printf("http://%s\n", g.Addrs()[0])
			}
		}()
		go func() {
			io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
		return g.Run(context.Background())
	}()
	t.Fatal(err)
}

// tap is a connection to the store that reports each command.
type tap struct {
	address string
	target  string
	mu      sync.Mutex
	left    int // commands until the chosen one
	reply   bool
	act     func()
	passed  atomic.Bool // the store has the chosen command: the next reply is its reply
}

func tapped(t *testing.T, target string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &tap{address: l.Addr().String(), target: target}
	var conns sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		conns.Wait()
	})
	conns.Go(func() {
		for {
			down, err := l.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", target)
			if err != nil {
				down.Close()
				continue
			}
			conns.Go(func() { pass(up, down, w.command) })
			conns.Go(func() { pass(down, up, w.answer) })
		}
	})
	return w
}

// pass copies until look returns false or a side ends.
func pass(dst, src net.Conn, look func([]byte) bool) {
	defer dst.Close()
	defer src.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if err != nil || !look(buf[:n]) {
			return
		}
		if _, err := dst.Write(buf[:n]); err != nil {
			return
		}
	}
}

// arm calls act at the n-th command from now: before the store gets it, or after its reply.
func (w *tap) arm(n int, reply bool, act func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left, w.reply, w.act = n, reply, act
}

func (w *tap) command(b []byte) bool {
	if !bytes.Contains(b, []byte("EVALSHA")) { // each command is small, and written in one call
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left--; w.left != 0 {
		return true
	}
	if w.reply {
		w.passed.Store(true)
		return true
	}
	w.act()
	return false
}

func (w *tap) answer([]byte) bool {
	if !w.passed.Load() {
		return true
	}
	w.act()
	return false
}
