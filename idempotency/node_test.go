package idempotency_test

import (
	"bufio"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/idempotency"
)

// node is a process of its own that serves the shop: this test binary, run again.
type node struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser // the node ends when it is closed, so also when the tests die
	url   string
}

// startNode starts a node. If die is not empty, the node kills itself with SIGKILL at that point of its first transaction.
func (p place) startNode(t testing.TB, die string) *node {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "IDEMPOTENCY_NODE="+p.driver, "DSN="+p.dsn, "DIE="+die,
		"DIALECT="+strconv.Itoa(int(p.dialect)))
	cmd.Stderr = os.Stderr
	n := &node{cmd: cmd}
	n.stdin, err = cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.kill)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("node did not start: %v", err)
	}
	n.url = strings.TrimSpace(line)
	return n
}

func (n *node) kill() {
	n.cmd.Process.Kill()
	n.cmd.Wait()
}

// post buys under a key. The error is that of a node which died.
func (n *node) post(key string) (status int, replayed bool, answer string, err error) {
	req, err := http.NewRequest("POST", n.url+"/orders", strings.NewReader(`{"item":"book"}`))
	if err != nil {
		return 0, false, "", err
	}
	req.Header.Set("X-User", "ada")
	req.Header.Set("Idempotency-Key", key)
	req.Close = true // net/http would resend a keyed POST on a reused connection by itself
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, false, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header.Get("Idempotency-Replayed") == "true", res.Header.Get("Location") + " " + string(body), err
}

// runNode is the other process.
func runNode() {
	err := func() error {
		d, err := strconv.Atoi(os.Getenv("DIALECT"))
		if err != nil {
			return err
		}
		db, err := sql.Open(os.Getenv("IDEMPOTENCY_NODE"), os.Getenv("DSN"))
		if err != nil {
			return err
		}
		if die := os.Getenv("DIE"); die != "" {
			sql.Register("mortal", mortal{db.Driver(), &script{die: die}})
			if db, err = sql.Open("mortal", os.Getenv("DSN")); err != nil {
				return err
			}
		}
		s, err := idempotency.New(db, idempotency.Dialect(d), &idempotency.Options{Wait: patience})
		if err != nil {
			return err
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Printf("http://%s\n", l.Addr())
		go func() {
			io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
		return http.Serve(l, s.Required(caller, shop))
	}()
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// steps are what the store and the effect ask of the database for one request, in this order. A node can be told to die
// before or after each.
var steps = []string{"begin", "claim", "effect", "record", "commit"}

// script kills its own process at one point: "before claim", "after claim" and so on.
type script struct {
	die  string
	next int
}

// step does what one call to the driver does, unless death comes first.
func step[T any](s *script, do func() (T, error)) (T, error) {
	if s.next >= len(steps) {
		return do()
	}
	name := steps[s.next]
	s.next++
	s.pass("before " + name)
	v, err := do()
	s.pass("after " + name)
	return v, err
}

func (s *script) pass(point string) {
	if s.die == point {
		self, _ := os.FindProcess(os.Getpid())
		self.Kill()
		select {} // nothing more happens here
	}
}

// mortal is a driver around another one that plays a script.
type mortal struct {
	driver.Driver
	s *script
}

type conn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

type mortalConn struct {
	conn
	s *script
}

type mortalTx struct {
	driver.Tx
	s *script
}

func (m mortal) Open(dsn string) (driver.Conn, error) {
	c, err := m.Driver.Open(dsn)
	if err != nil {
		return nil, err
	}
	return mortalConn{c.(conn), m.s}, nil
}

func (c mortalConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := step(c.s, func() (driver.Tx, error) { return c.conn.BeginTx(ctx, o) })
	return mortalTx{tx, c.s}, err
}

func (c mortalConn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	return step(c.s, func() (driver.Result, error) { return c.conn.ExecContext(ctx, q, args) })
}

func (c mortalConn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	return step(c.s, func() (driver.Rows, error) { return c.conn.QueryContext(ctx, q, args) })
}

func (tx mortalTx) Commit() error {
	_, err := step(tx.s, func() (struct{}, error) { return struct{}{}, tx.Tx.Commit() })
	return err
}
