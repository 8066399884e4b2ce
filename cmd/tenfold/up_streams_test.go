package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stream is an output of a tenfold that the test controls.
type stream struct {
	write *os.File // what tenfold gets
	read  *os.File // the other end of the pipe; nil when it is no pipe
	said  *transcript
}

// pipe returns a pipe that is read into a transcript.
func pipe(t *testing.T) *stream {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &stream{write: w, read: r, said: newTranscript()}
	t.Cleanup(func() { w.Close(); r.Close() })
	s.resume()
	return s
}

// resume reads the pipe until block or end.
func (s *stream) resume() {
	s.read.SetReadDeadline(time.Time{})
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := s.read.Read(buf)
			s.said.Write(buf[:n])
			if err != nil {
				return
			}
		}
	}()
}

func (s *stream) block() { s.read.SetReadDeadline(time.Now()) }
func (s *stream) end()   { s.read.Close() }

// full returns a stream whose disk is full.
func full(t *testing.T) *stream {
	t.Helper()
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("this system has no /dev/full")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &stream{write: f, said: newTranscript()}
}

// chatting is a file with a service, and with a worker that writes half a megabyte per second.
const chatting = `
services:
  app: {run: service, nodes: 2}
  chat:
    nodes: 1
    run: [sh, -c, 'while :; do yes "a line that somebody may read" | head -c 100000; sleep 0.2; done']
routes:
  - {path: /, to: app}
`

// Nothing that tenfold prints may stop a request or its own end.
func TestUpServesWithoutAReader(t *testing.T) {
	t.Run("blocked", func(t *testing.T) {
		stdout, stderr := pipe(t), pipe(t)
		x := up(t, call{args: []string{"-f", "-", "--store", "none"}, stdin: chatting, stdout: stdout, stderr: stderr})
		stdout.block()
		stderr.block()
		wantUnaffected(t, x, 100)
	})
	t.Run("blocked and read again", func(t *testing.T) {
		stdout, stderr := pipe(t), pipe(t)
		x := up(t, call{args: []string{"-f", "-", "--store", "none"}, stdin: chatting, stdout: stdout, stderr: stderr})
		stdout.block()
		stderr.block()
		l := offer(x, 500, longPath)
		x.awaitDropped(1)
		stdout.resume()
		stderr.resume()
		x.stderr.await(x, `"msg":"records dropped","dropped":\d+}\n`)
		x.stdout.await(x, `"msg":"records dropped","dropped":\d+}\n`)
		noneFailed(t, l.end())
		x.stop()
	})
	t.Run("both in one blocked pipe", func(t *testing.T) {
		both := pipe(t)
		x := up(t, call{args: []string{"-f", "-", "--store", "none"}, stdin: chatting, stdout: both, stderr: both})
		both.block()
		wantUnaffected(t, x, 100)
	})
	t.Run("closed", func(t *testing.T) {
		stdout, stderr := pipe(t), pipe(t)
		x := up(t, call{args: []string{"-f", "-", "--store", "none"}, stdin: chatting, stdout: stdout, stderr: stderr})
		stdout.write.Close()
		stdout.end()
		stderr.write.Close()
		stderr.end()
		wantUnaffected(t, x, 100)
	})
	t.Run("full disk", func(t *testing.T) {
		listen, admin := freeAddress(t), freeAddress(t)
		x := start(t, call{
			args:  []string{"up", "-f", "-", "--store", "none", "--listen", listen, "--admin", admin},
			stdin: chatting, stdout: full(t), stderr: full(t),
		})
		x.url, x.admin = "http://"+listen, admin
		x.await("the admin address is open", func() bool {
			c, err := net.Dial("tcp", admin)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
		x.awaitReady()
		wantUnaffected(t, x, 100)
	})
}

// wantUnaffected sends requests to x until n records of each stream were dropped, and ends x.
func wantUnaffected(t *testing.T, x *running, n float64) {
	t.Helper()
	l := offer(x, 500, longPath)
	x.awaitDropped(n)
	answers := l.end()
	noneFailed(t, answers)
	begun := time.Now()
	x.end(syscall.SIGTERM)
	if code := x.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	took := time.Since(begun)
	if took > 20*time.Second { // drain is 30 s
		t.Errorf("tenfold ended %v after SIGTERM", took)
	}
	x.wantAllGone()
	figure(t, "no-reader", "requests", len(answers), "ended_after", took)
}

// longPath is a request with a long access record, which fills a pipe sooner.
func longPath(int) *http.Request { return request("GET", "/long/"+strings.Repeat("x", 500)) }

func (x *running) awaitDropped(n float64) {
	x.t.Helper()
	for _, stream := range []string{"stderr", "stdout"} {
		x.await(fmt.Sprintf("%v records of %s are dropped", n, stream), func() bool {
			return x.metric(`tenfold_log_dropped_total{stream="`+stream+`"}`) >= n
		})
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestUpLogJSONPrintsNothingElse(t *testing.T) {
	t.Run("a run", func(t *testing.T) {
		x := up(t, call{args: []string{"--log", "json", "-f", "-", "--store", "none"}, stdin: chatting})
		l := offer(x, 50, longPath)
		x.stdout.await(x, `"msg":"output","service":"chat","node":"chat-1","stream":"stdout","line":"a line that somebody may read"}`)
		x.stderr.await(x, `"msg":"request","method":"GET"`)
		noneFailed(t, l.end())
		x.end(syscall.SIGQUIT)
		if code := x.wait(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		wantRecords(t, x, "service", "listening", "request", "goroutine", "draining")
	})
	for name, c := range map[string]struct {
		args   []string
		stdin  string
		code   int
		record string
	}{
		"a wrong file":         {[]string{"-f", "-"}, "services: {shop: {run: [shop], nodes: 0}}", 2, "configuration problem"},
		"a missing command":    {[]string{"--store", "none", "--", "no-such-command"}, "", 1, "tenfold failed"},
		"a command that ends":  {[]string{"--store", "none", "--", "sh", "-c", "echo out; exit 3"}, "", 1, "tenfold failed"},
		"an unknown flag":      {[]string{"--no-such-flag"}, "", 2, "tenfold failed"},
		"a log file in no dir": {[]string{"--log-file", "/no-such-dir/log", "--", "sleep", "1"}, "", 2, "tenfold failed"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"up", "--log", "json", "--listen", "127.0.0.1:0", "--admin", "off"}, c.args...)
			x := start(t, call{args: args, stdin: c.stdin})
			if code := x.wait(); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			wantRecords(t, x, c.record)
		})
	}
}

// wantRecords checks that both streams have JSON records and nothing else, and that standard error has the given ones.
func wantRecords(t *testing.T, x *running, messages ...string) {
	t.Helper()
	seen := map[string]bool{}
	for name, said := range map[string]*transcript{"stdout": x.stdout, "stderr": x.stderr} {
		for line := range strings.Lines(said.String()) {
			var record struct {
				Time  time.Time
				Level string
				Msg   string
			}
			if err := json.Unmarshal([]byte(line), &record); err != nil || record.Time.IsZero() || record.Level == "" {
				t.Errorf("%s has the line %.200q: %v", name, line, err)
			}
			if name == "stderr" {
				seen[record.Msg] = true
			}
		}
	}
	for _, message := range messages {
		if !seen[message] {
			t.Errorf("standard error has no record %q", message)
		}
	}
}

// SIGHUP and SIGQUIT let requests finish, also when they come twice.
func TestUpDrainsOnSIGHUPAndSIGQUIT(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGQUIT} {
		x := upQuietly(t, "", "--", "service")
		l := offer(x, 20, func(int) *http.Request { return request("GET", "/small?ms=1500") })
		x.await("requests are in flight", func() bool {
			return x.nodes()[0].InFlight > 0
		})
		l.quit <- struct{}{}
		x.signal(s)
		x.end(s)
		noneFailed(t, l.end())
		if code := x.wait(); code != 0 {
			t.Errorf("%v: exit code %d", s, code)
		}
		if dump := strings.Contains(x.stderr.String(), "goroutine 1 ["); dump != (s == syscall.SIGQUIT) {
			t.Errorf("%v: a goroutine dump: %v", s, dump)
		}
		x.wantAllGone()
	}
}

// nohup starts programs with SIGHUP ignored.
func TestUpIgnoresSIGHUPUnderNohup(t *testing.T) {
	nohup := filepath.Join(t.TempDir(), "nohup-tenfold")
	write(t, nohup, "#!/bin/sh\ntrap '' HUP\nexec tenfold \"$@\"\n")
	if err := os.Chmod(nohup, 0o755); err != nil {
		t.Fatal(err)
	}
	x := up(t, call{program: nohup, args: append(append([]string{}, quiet...), "--", "service")})
	x.signal(syscall.SIGHUP)
	noneFailed(t, some(x, 20))
	x.stop()
}

// some sends n requests, one after the other in time.
func some(x *running, n int) []answer {
	l := offer(x, 100, func(int) *http.Request { return request("GET", "/small") })
	x.await("some answers are there", func() bool { return l.soFar() >= n })
	return l.end()
}

func TestUpReopensItsLogFileOnSIGUSR1(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tenfold.log")
	content := func(name string) string {
		text, _ := os.ReadFile(name)
		return string(text)
	}
	x := up(t, call{args: []string{"--store", "none", "--log-file", path, "--", "service"}})
	noneFailed(t, some(x, 5))
	x.await("the access records are in the file", func() bool { return strings.Count(content(path), `"msg":"request"`) >= 5 })
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	x.signal(syscall.SIGUSR1)
	x.await("a new file exists", func() bool { _, err := os.Stat(path); return err == nil })
	noneFailed(t, some(x, 5))
	x.await("later records are in the new file", func() bool { return strings.Count(content(path), `"msg":"request"`) >= 5 })
	x.stop()
	if text := x.stderr.String(); strings.Contains(text, `"msg":"request"`) || !strings.Contains(text, `"msg":"listening"`) {
		t.Errorf("standard error has %s", text)
	}
}

// A log file on a full disk drops records, like every other stream.
func TestUpServesWithALogFileOnAFullDisk(t *testing.T) {
	full(t)
	x := up(t, call{args: []string{"--store", "none", "--log-file", "/dev/full", "--", "service"}})
	noneFailed(t, some(x, 20))
	x.await("records of the file are dropped", func() bool { return x.metric(`tenfold_log_dropped_total{stream="file"}`) >= 20 })
	x.stop()
}

// Without a log file, SIGUSR1 does nothing.
func TestUpServesAfterSIGUSR1(t *testing.T) {
	x := upQuietly(t, "", "--", "service")
	x.signal(syscall.SIGUSR1)
	noneFailed(t, some(x, 20))
	x.stop()
}

// A verb that reads standard input waits for it, but Ctrl-C ends it.
func TestInterruptEndsAVerbWhoseInputDoesNotCome(t *testing.T) {
	for _, args := range [][]string{{"plan", "-"}, {"check", "-f", "-"}, {"up", "-f", "-"}} {
		input, silent, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		x := start(t, call{args: args, stdinFile: input})
		input.Close()
		if _, err := silent.WriteString(strings.Repeat(" ", 256<<10)); err != nil { // more than a pipe holds: returns when the verb reads
			t.Fatalf("%v does not read its input: %v", args, err)
		}
		x.end(os.Interrupt)
		begun := time.Now()
		if code := x.wait(); code == 0 {
			t.Errorf("%v: exit code 0 without an input", args)
		}
		figure(t, "interrupt-silent-input", "verb", args[0], "ended_after", time.Since(begun))
	}
}

// A verb that ends when its work is done waits for its reader, but Ctrl-C ends it.
func TestInterruptEndsAVerbWhoseOutputIsNotRead(t *testing.T) {
	out := pipe(t)
	out.block()
	out.write.SetWriteDeadline(time.Now().Add(time.Second))
	for {
		if _, err := out.write.Write(make([]byte, 4096)); err != nil {
			break // the pipe is full
		}
	}
	x := start(t, call{args: []string{"plan", "--help"}, stdout: out})
	time.Sleep(300 * time.Millisecond) // until it has begun to write
	select {
	case <-x.exited:
		t.Fatal("tenfold ended with an output that is not read")
	default:
	}
	x.end(os.Interrupt)
	begun := time.Now()
	x.wait()
	figure(t, "interrupt-blocked-verb", "ended_after", time.Since(begun))
}
