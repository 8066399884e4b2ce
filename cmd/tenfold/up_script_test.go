package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// session is the tenfold that a script runs.
type session struct {
	t    testing.TB
	mark string
	*running
}

type sessionKey struct{}

func newSession(env *testscript.Env) error {
	s := &session{t: env.T().(testing.TB), mark: "TENFOLD_TEST=" + rand.Text()}
	env.Values[sessionKey{}] = s
	runtime := filepath.Join(env.WorkDir, "runtime")
	env.Vars = append(env.Vars, s.mark, raceQuickly, "XDG_RUNTIME_DIR="+runtime, "XDG_STATE_HOME="+filepath.Join(env.WorkDir, "state"))
	env.Defer(func() { // after a failure, a tenfold may still run in the background
		for _, p := range remainingProcesses(s.mark, nil) {
			syscall.Kill(p.pid, syscall.SIGKILL)
		}
	})
	return errors.Join(os.Mkdir(runtime, 0o700), becomeSubreaper())
}

// sessionCommands are the commands of a script for a running tenfold. "ready" waits until all nodes are ready.
// "interrupt" is Ctrl-C. The functions explain the others.
var sessionCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"up":          inSession(upInScript),
	"get":         inSession(get),
	"admin":       inSession(admin),
	"kill-node":   inSession(killInScript),
	"ready":       inSession(func(_ *testscript.TestScript, s *session, _ bool, _ []string) { s.awaitReady() }),
	"interrupt":   inSession(func(_ *testscript.TestScript, s *session, _ bool, _ []string) { s.stop() }),
	"nothingleft": inSession(wantAllGone),
}

func inSession(f func(*testscript.TestScript, *session, bool, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		f(ts, ts.Value(sessionKey{}).(*session), neg, args)
	}
}

// up ARGS runs "tenfold up ARGS" on free ports and waits until its nodes are ready. It sets $LISTEN to the address of
// the gateway, and $TENFOLD_ADMIN to the admin address, which the verbs use.
func upInScript(ts *testscript.TestScript, s *session, _ bool, args []string) {
	s.running = up(s.t, call{args: args, dir: ts.MkAbs("."), env: []string{"HOME=" + ts.Getenv("HOME"), "XDG_RUNTIME_DIR=" + ts.Getenv("XDG_RUNTIME_DIR")}})
	ts.Setenv("LISTEN", strings.TrimPrefix(s.url, "http://"))
	ts.Setenv("TENFOLD_ADMIN", s.admin)
}

// get PATH sends a GET request to the gateway. With "!" in front, the answer must not be 2xx.
func get(ts *testscript.TestScript, s *session, neg bool, args []string) {
	c, err := dial(strings.TrimPrefix(s.url, "http://"))
	ts.Check(err)
	defer c.Close()
	resp, err := c.do(request("GET", args[0]))
	ts.Check(err)
	fmt.Fprint(ts.Stdout(), resp.body)
	expectStatus(ts, neg, resp.StatusCode)
}

// admin METHOD PATH [BODY] sends a request to the admin address. "!" means the same as for get.
func admin(ts *testscript.TestScript, s *session, neg bool, args []string) {
	status, answer := s.ask(args[0], args[1], strings.Join(args[2:], " "))
	fmt.Fprintf(ts.Stdout(), "%d\n%s", status, answer)
	expectStatus(ts, neg, status)
}

func expectStatus(ts *testscript.TestScript, neg bool, status int) {
	if ok := status >= 200 && status <= 299; ok == neg {
		ts.Fatalf("status %d", status)
	}
}

// kill-node ID kills a node and waits until another one has replaced it.
func killInScript(_ *testscript.TestScript, s *session, _ bool, args []string) {
	kill(s.t, s.node(args[0]).PID, syscall.SIGKILL)
	s.await("the killed node is gone", func() bool { return s.node(args[0]).ID == "" })
	s.awaitReady()
}

// nothingleft checks that the tenfolds that the script has called with exec have left no process and no file.
func wantAllGone(ts *testscript.TestScript, s *session, _ bool, _ []string) {
	for _, process := range remainingProcesses(s.mark, nil) {
		ts.Fatalf("left behind: process %v", process)
	}
	for begun := time.Now(); len(reapers()) > 0; time.Sleep(5 * time.Millisecond) { // a reaper of another script ends, too
		if time.Since(begun) > patience {
			ts.Fatalf("left behind: %v", reapers())
		}
	}
	files, err := os.ReadDir(ts.Getenv("TMPDIR"))
	ts.Check(err)
	for _, f := range files {
		ts.Fatalf("left behind: file %s", f.Name())
	}
}
