package idempotency_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/kit/idempotency"
)

// node is another process that serves the shop: this test binary with IDEMPOTENCY_NODE set.
type node struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser // the node ends when it is closed, so it also ends with the test process
	url   string
}

// startNode starts a node. If die is not empty, the node sends SIGKILL to itself at that point of its first
// transaction.
func (p testDatabase) startNode(t testing.TB, die string) *node {
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

// post sends an order with a key. It fails if the node is killed.
func (n *node) post(key string) (status int, replayed bool, response string, err error) {
	req, err := http.NewRequest("POST", n.url+"/orders", strings.NewReader(`{"item":"book"}`))
	if err != nil {
		return 0, false, "", err
	}
	req.Header.Set("X-User", "ada")
	req.Header.Set("Idempotency-Key", key)
	req.Close = true // on a reused connection, net/http would retry a POST with a key
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, false, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	response = res.Header.Get("Location") + " " + string(body)
	return res.StatusCode, res.Header.Get("Idempotency-Replayed") == "true", response, err
}

// dieNow ends this process as kill -9 does.
func dieNow() error {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		return err
	}
	select {} // wait for SIGKILL
}

// runNode is the main function of a node.
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
			db = openFaulty(db.Driver(), os.Getenv("DSN"), die, dieNow)
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
