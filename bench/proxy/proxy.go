//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// proxy is a running peer.
type proxy struct {
	name    string
	logs    bool
	log     string // the access log; "" for none
	address string
	cmd     *exec.Cmd
	exited  chan struct{} // closed when cmd has ended
	output  string        // a file with what it printed
}

type proxies []*proxy

func (all proxies) stop() {
	for _, p := range all {
		p.signal(syscall.SIGTERM)
	}
	for _, p := range all {
		p.stop()
	}
}

// start runs the peer and returns when it answers. The proxy must be stopped also when there is an error.
func (p peer) start(ctx context.Context, dir, backend string, logs bool) (*proxy, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	files := openFiles()
	s := settings{Dir: dir, Listen: address, Backend: backend, Connections: files - 200, Files: files}
	if logs {
		s.Log = filepath.Join(dir, "access.log")
	}
	config, err := s.write(p.config)
	if err != nil {
		return nil, err
	}
	x := &proxy{name: p.name, logs: logs, log: s.Log, address: address, exited: make(chan struct{}), output: filepath.Join(dir, "output")}
	x.cmd = pinned(context.WithoutCancel(ctx), proxyCore, p.program, p.args(config, s.Log)...) // it ends with stop
	x.cmd.Dir = dir
	x.cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM} // it goes when we go
	stdout, stderr := x.output, x.output
	switch {
	case logs && p.logsTo == 1:
		stdout = x.log
	case logs && p.logsTo == 2:
		stderr = x.log
	}
	if err := x.begin(stdout, stderr); err != nil {
		close(x.exited)
		return x, fmt.Errorf("start %s: %w", p.name, err)
	}
	return x, x.awaitAnswer(ctx)
}

// begin starts the process. Its output is appended to the files, which may be emptied meanwhile.
func (x *proxy) begin(stdout, stderr string) (err error) {
	open := func(name string) *os.File {
		f, openErr := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		err = errors.Join(err, openErr)
		return f
	}
	out, errs := open(stdout), open(stderr)
	defer out.Close()
	defer errs.Close()
	if err != nil {
		return err
	}
	x.cmd.Stdout, x.cmd.Stderr = out, errs
	if err := x.cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(x.exited)
		x.cmd.Wait()
	}()
	return nil
}

// awaitAnswer returns when the backend's answer comes through.
func (x *proxy) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	for {
		resp, err := client.Get("http://" + x.address + "/")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(resp.Status)
		}
		select {
		case <-x.exited:
			return fmt.Errorf("%s ended at its start: %s", x.name, x.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer (%w): %s", x.name, err, x.tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// tail is the end of what it printed.
func (x *proxy) tail() string {
	b, _ := os.ReadFile(x.output)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], " / ")
}

// stop ends the process and all it has started: kindly, then at once.
func (x *proxy) stop() {
	x.signal(syscall.SIGTERM)
	select {
	case <-x.exited:
	case <-time.After(3 * time.Second):
	}
	x.signal(syscall.SIGKILL) // the group may outlive its leader
	<-x.exited
}

func (x *proxy) signal(s syscall.Signal) {
	if x.cmd.Process != nil {
		syscall.Kill(-x.cmd.Process.Pid, s)
	}
}

// emptyLog drops the access log, and complains when there is none to drop.
func (x *proxy) emptyLog() error {
	if !x.logs {
		return nil
	}
	info, err := os.Stat(x.log)
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return fmt.Errorf("%s has logged nothing to %s", x.name, x.log)
	}
	return os.Truncate(x.log, 0)
}
