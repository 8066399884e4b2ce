package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/status"
)

// patience is how long a test waits for something that must happen soon. It is longer than a busy machine needs.
const patience = time.Minute

// running is a tenfold in its own process, as a user starts it.
type running struct {
	t        testing.TB
	cmd      *exec.Cmd
	mark     string // in the environment of all processes that it starts
	tmp      string // its TMPDIR
	stdout   *transcript
	stderr   *transcript
	exited   chan struct{}
	children []processInfo // what it had started when it was asked to end

	url   string   // of the gateway, when it is open
	urls  []string // all of them
	admin string   // the admin address, when it is open
}

// call says how tenfold is called.
type call struct {
	args    []string
	dir     string   // working directory; default: that of the test
	env     []string // added to the environment of the test
	stdin   string
	program string  // default: this test binary as tenfold
	stdout  *stream // default: one that is always read
	stderr  *stream // default: one that is always read

	stdinFile *os.File   // instead of stdin
	files     []*os.File // descriptors from 3 on
	terminal  *os.File   // the controlling terminal; default: that of the test
}

// start calls tenfold. At the end of the test it is killed, if it still runs. The test fails when a process that it
// started is left.
func start(t testing.TB, c call) *running {
	t.Helper()
	if err := becomeSubreaper(); err != nil {
		t.Fatalf("become a subreaper: %v", err)
	}
	x := &running{
		t: t, cmd: exec.Command(cmp.Or(c.program, "tenfold"), c.args...), mark: "TENFOLD_TEST=" + rand.Text(), tmp: t.TempDir(),
		stdout: newTranscript(), stderr: newTranscript(), exited: make(chan struct{}),
	}
	x.cmd.Dir = c.dir
	x.cmd.Stdin = strings.NewReader(c.stdin)
	if c.stdinFile != nil {
		x.cmd.Stdin = c.stdinFile
	}
	x.cmd.Stdout, x.cmd.Stderr = x.stdout, x.stderr
	if c.stdout != nil {
		x.cmd.Stdout, x.stdout = c.stdout.write, c.stdout.said
	}
	if c.stderr != nil {
		x.cmd.Stderr, x.stderr = c.stderr.write, c.stderr.said
	}
	x.cmd.ExtraFiles = c.files
	x.cmd.SysProcAttr = endWithTest()
	if c.terminal != nil {
		x.cmd.Stdin = c.terminal
		x.cmd.SysProcAttr.Setsid, x.cmd.SysProcAttr.Setctty = true, true
	}
	x.cmd.WaitDelay = patience
	x.cmd.Env = slices.Concat(os.Environ(), c.env, []string{raceQuickly, "TMPDIR=" + x.tmp, x.mark})
	if err := x.cmd.Start(); err != nil {
		t.Fatalf("start tenfold: %v", err)
	}
	go func() { x.cmd.Wait(); close(x.exited) }()
	t.Cleanup(x.clear)
	return x
}

// raceQuickly makes programs under the race detector exit at once. Without it they wait for one second.
const raceQuickly = "GORACE=atexit_sleep_ms=0"

// up runs "tenfold up" on free ports, with the arguments of c. It returns when all nodes are ready.
func up(t testing.TB, c call) *running {
	t.Helper()
	x := upAnyhow(t, c)
	x.awaitReady()
	return x
}

// upAnyhow is up without waiting for the nodes.
func upAnyhow(t testing.TB, c call) *running {
	t.Helper()
	c.args = slices.Concat([]string{"up", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, c.args)
	x := start(t, c)
	x.awaitListening()
	return x
}

// awaitListening reads the addresses from the start lines, which are text or, with --log json, records.
func (x *running) awaitListening() {
	x.t.Helper()
	found := x.stderr.await(x, `listening(?: on |","urls":\[")(https?://\S+(?:, https?://\S+)*?)(?:"\],"admin":"|, admin on )http://([^"\s,]+)`)
	x.urls = regexp.MustCompile(`https?://[^"\s,]+`).FindAllString(found[1], -1)
	x.url, x.admin = x.urls[0], found[2]
	for _, url := range x.urls {
		if strings.HasPrefix(url, "http://") {
			x.url = url
			break
		}
	}
}

// quiet are the flags of tests that need no store and no access log.
var quiet = []string{"--store", "none", "--access", "off"}

// upQuietly runs a command line, or with "-f", "-" the file, without store and access log.
func upQuietly(t testing.TB, file string, args ...string) *running {
	t.Helper()
	return up(t, call{args: slices.Concat(quiet, args), stdin: file})
}

// awaitReady returns when every service has all its nodes ready, and no node that drains.
func (x *running) awaitReady() {
	x.t.Helper()
	x.await("all nodes are ready", func() bool {
		for _, s := range x.services() {
			if s.Ready != s.Wanted || s.Running != s.Wanted {
				return false
			}
		}
		return true
	})
}

// await returns when cond returns true. what describes the condition.
func (x *running) await(what string, cond func() bool) {
	x.t.Helper()
	for begun := time.Now(); !cond(); time.Sleep(5 * time.Millisecond) {
		select {
		case <-x.exited:
			x.t.Fatalf("tenfold ended while waiting until %s: %v", what, x.cmd.ProcessState)
		default:
		}
		if time.Since(begun) > patience {
			x.t.Fatalf("waited %v until %s", patience, what)
		}
	}
}

func (x *running) signal(s os.Signal) {
	x.t.Helper()
	if err := x.cmd.Process.Signal(s); err != nil {
		x.t.Fatalf("signal tenfold: %v", err)
	}
}

// wait returns the exit code.
func (x *running) wait() int {
	x.t.Helper()
	select {
	case <-x.exited:
	case <-time.After(patience):
		x.t.Fatalf("tenfold does not end")
	}
	return x.cmd.ProcessState.ExitCode()
}

// stop is Ctrl-C. When tenfold has ended, all processes that it started must have ended before.
func (x *running) stop() {
	x.t.Helper()
	x.end(os.Interrupt)
	if code := x.wait(); code != 0 {
		x.t.Errorf("exit code %d after Ctrl-C", code)
	}
	x.wantAllGone()
}

// end sends a signal that must end tenfold.
func (x *running) end(s os.Signal) {
	x.t.Helper()
	x.children = startedBy(x.cmd.Process.Pid)
	x.signal(s)
}

// wantAllGone fails the test for every process and file that is left.
func (x *running) wantAllGone() {
	x.t.Helper()
	for _, p := range remainingProcesses(x.mark, x.children) {
		x.t.Errorf("left behind: process %v", p)
	}
	files, _ := os.ReadDir(x.tmp)
	for _, f := range files {
		x.t.Errorf("left behind: file %s", f.Name())
	}
}

// awaitAllGone returns when the last process has ended. It is for a tenfold that was killed and could not wait.
func (x *running) awaitAllGone() {
	x.t.Helper()
	for begun := time.Now(); len(remainingProcesses(x.mark, x.children)) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Since(begun) > patience {
			x.t.Fatalf("left behind: %v", remainingProcesses(x.mark, x.children))
		}
	}
}

func (x *running) clear() {
	select {
	case <-x.exited:
	default:
		x.end(os.Kill)
		<-x.exited
	}
	x.awaitAllGone()
	for _, said := range []*transcript{x.stdout, x.stderr} {
		if strings.Contains(said.String(), "DATA RACE") {
			x.t.Errorf("data race:\n%s", said)
		}
	}
	if x.t.Failed() {
		x.t.Logf("%v\nstandard output:\n%s\nstandard error:\n%s", x.cmd.Args, x.stdout.last(30), x.stderr.last(60))
	}
}

// ask sends a request to the admin address and returns the answer.
func (x *running) ask(method, path, body string) (status int, answer string) {
	x.t.Helper()
	req, err := http.NewRequest(method, "http://"+x.admin+path, strings.NewReader(body))
	if err != nil {
		x.t.Fatalf("%s %s: %v", method, path, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		x.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		x.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, string(text)
}

func (x *running) read(path string, into any) {
	x.t.Helper()
	if status, answer := x.ask("GET", path, ""); status != 200 {
		x.t.Fatalf("GET %s: %d %s", path, status, answer)
	} else if err := json.Unmarshal([]byte(answer), into); err != nil {
		x.t.Fatalf("GET %s: %v in %s", path, err, answer)
	}
}

func (x *running) services() (all []status.Service) {
	x.t.Helper()
	x.read("/api/services", &all)
	return all
}
func (x *running) nodes() (all []status.Node) { x.t.Helper(); x.read("/api/nodes", &all); return all }

// node returns the node with this id, or a zero value.
func (x *running) node(id string) (n status.Node) {
	x.t.Helper()
	for _, n := range x.nodes() {
		if n.ID == id {
			return n
		}
	}
	return n
}

func usable(n status.Node) bool { return (n.State == "ready" || n.State == "warming") && !n.Ejected }

// metric returns the value of a series of /metrics, or 0 when it does not exist. Labels are in alphabetical order.
func (x *running) metric(series string) float64 {
	x.t.Helper()
	status, text := x.ask("GET", "/metrics", "")
	if status != 200 {
		x.t.Fatalf("GET /metrics: %d %s", status, text)
	}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				x.t.Fatalf("%s: %v", line, err)
			}
			return value
		}
	}
	return 0
}

// verb runs another tenfold with the admin address of this one, and returns its output. It must succeed.
func (x *running) verb(args ...string) string {
	x.t.Helper()
	cmd := exec.Command("tenfold", args...)
	cmd.Env = append(os.Environ(), "TENFOLD_ADMIN="+x.admin, raceQuickly)
	cmd.SysProcAttr = endWithTest()
	out, err := cmd.CombinedOutput()
	if err != nil {
		x.t.Fatalf("tenfold %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// kill sends a signal to the process of a node. A process that has ended counts as killed.
func kill(t testing.TB, pid int, s syscall.Signal) {
	t.Helper()
	if pid <= 0 {
		t.Fatalf("pid %d", pid)
	}
	if err := syscall.Kill(pid, s); err != nil && !(s == syscall.SIGKILL && err == syscall.ESRCH) {
		t.Fatalf("signal process %d: %v", pid, err)
	}
}

// figure prints a measurement as "figure: NAME key=value ...".
func figure(t *testing.T, name string, pairs ...any) {
	t.Helper()
	line := "figure: " + name
	for i := 0; i+1 < len(pairs); i += 2 {
		switch v := pairs[i+1].(type) {
		case time.Duration:
			line += fmt.Sprintf(" %s=%v", pairs[i], v.Round(100*time.Microsecond))
		case float64:
			line += fmt.Sprintf(" %s=%.3g", pairs[i], v)
		default:
			line += fmt.Sprintf(" %s=%v", pairs[i], v)
		}
	}
	t.Log(line)
}

// transcript is the output of a process until now.
type transcript struct {
	reader  sync.Mutex // held while the reader of the stream does not read
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed and replaced when more comes
}

func newTranscript() *transcript { return &transcript{changed: make(chan struct{})} }

// block stops reading for a while.
func (s *transcript) block(d time.Duration) {
	s.reader.Lock()
	defer s.reader.Unlock()
	time.Sleep(d)
}

func (s *transcript) Write(p []byte) (int, error) {
	s.reader.Lock()
	defer s.reader.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
	return s.text.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// last returns the last n lines.
func (s *transcript) last(n int) string {
	lines := strings.SplitAfter(s.String(), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}

// await waits until x has written a match of a regular expression. It returns the match and its groups.
func (s *transcript) await(x *running, expression string) []string {
	x.t.Helper()
	re := regexp.MustCompile(expression)
	timeout := time.After(patience)
	for {
		s.mu.Lock()
		found, changed := re.FindStringSubmatch(s.text.String()), s.changed
		s.mu.Unlock()
		if found != nil {
			return found
		}
		select {
		case <-changed:
		case <-x.exited:
			if found := re.FindStringSubmatch(s.String()); found != nil {
				return found
			}
			x.t.Fatalf("tenfold ended (%v) without writing %q", x.cmd.ProcessState, expression)
		case <-timeout:
			x.t.Fatalf("tenfold did not write %q within %v", expression, patience)
		}
	}
}
