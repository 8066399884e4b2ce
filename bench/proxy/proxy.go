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
	log     string // file of the access log; "" means no log
	address string
	cmd     *exec.Cmd
	exited  chan struct{} // closed after cmd has ended
	output  string        // file with the output of cmd
}

type proxies []*proxy

// stop stops all proxies at the same time.
func (all proxies) stop() {
	for _, p := range all {
		p.signal(syscall.SIGTERM)
	}
	for _, p := range all {
		p.stop()
	}
}

// start runs the peer and returns when it forwards requests. If the returned proxy is not nil, the caller must stop it,
// also after an error.
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
	x := &proxy{name: p.name, logs: logs, log: s.Log, address: address, exited: make(chan struct{}),
		output: filepath.Join(dir, "output")}
	x.cmd = pinned(context.WithoutCancel(ctx), proxyCore, p.program, p.args(config, s.Log)...) // stop ends it
	x.cmd.Dir = dir
	x.cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM} // it ends when this process ends
	stdout, stderr := x.output, x.output
	switch {
	case logs && p.logsTo == 1:
		stdout = x.log
	case logs && p.logsTo == 2:
		stderr = x.log
	}
	if err := x.startProcess(stdout, stderr); err != nil {
		close(x.exited)
		return x, fmt.Errorf("start %s: %w", p.name, err)
	}
	return x, x.awaitResponse(ctx)
}

// startProcess starts the process. It opens the output files for appending, because truncateLog may truncate them.
func (x *proxy) startProcess(stdout, stderr string) (err error) {
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

// awaitResponse waits until a request through the proxy gets a response of the backend.
func (x *proxy) awaitResponse(ctx context.Context) error {
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
			return fmt.Errorf("%s exited during its start: %s", x.name, x.lastOutput())
		case <-ctx.Done():
			return fmt.Errorf("%s does not respond (%w): %s", x.name, err, x.lastOutput())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// lastOutput returns the last three lines of the output.
func (x *proxy) lastOutput() string {
	b, _ := os.ReadFile(x.output)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], " / ")
}

// stop ends the process and its children: with SIGTERM, and after 3 s with SIGKILL.
func (x *proxy) stop() {
	x.signal(syscall.SIGTERM)
	select {
	case <-x.exited:
	case <-time.After(3 * time.Second):
	}
	x.signal(syscall.SIGKILL) // children may still run after the process has exited
	<-x.exited
}

func (x *proxy) signal(s syscall.Signal) {
	if x.cmd.Process != nil {
		syscall.Kill(-x.cmd.Process.Pid, s)
	}
}

// truncateLog empties the access log. It fails if the proxy should log and the log is empty.
func (x *proxy) truncateLog() error {
	if !x.logs {
		return nil
	}
	info, err := os.Stat(x.log)
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return fmt.Errorf("the access log of %s, %s, is empty", x.name, x.log)
	}
	return os.Truncate(x.log, 0)
}
