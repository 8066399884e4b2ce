//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// outcome is what a generator has seen.
type outcome struct {
	requests int
	took     time.Duration
	p50, p99 time.Duration
	errors   int
}

// generator sends load to an address for a while. In-flight requests at its end count for nothing.
type generator func(ctx context.Context, address string, l load, d time.Duration) (outcome, error)

//go:embed wrk.lua
var wrkScript []byte

// chooseGenerator takes wrk where it is and can be used.
func chooseGenerator(ctx context.Context, o options, dir string) (string, generator, error) {
	wrk, err := exec.LookPath("wrk")
	if err != nil || o.noWrk || o.window%time.Second != 0 {
		return "built in (Go)", generate, nil
	}
	script := filepath.Join(dir, "wrk.lua")
	if err := os.WriteFile(script, wrkScript, 0o644); err != nil {
		return "", nil, err
	}
	out, _ := exec.CommandContext(ctx, wrk, "-v").CombinedOutput() // it ends with 1 all the same
	version, _, _ := strings.Cut(string(out), " [")
	return version, func(ctx context.Context, address string, l load, d time.Duration) (outcome, error) {
		return runWrk(ctx, script, address, l, d)
	}, nil
}

func runWrk(ctx context.Context, script, address string, l load, d time.Duration) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, d+10*time.Second)
	defer cancel()
	cmd := pinned(ctx, otherCore, "wrk", "-t1", fmt.Sprintf("-c%d", l.connections), fmt.Sprintf("-d%ds", int(d.Seconds())),
		"-s", script, "http://"+address+l.path())
	cmd.Env = append(os.Environ(), fmt.Sprintf("BENCH_BODY=%d", l.body))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return outcome{}, fmt.Errorf("run wrk: %w: %s", err, out)
	}
	_, result, _ := bytes.Cut(out, []byte("\nresult "))
	var o outcome
	var took, p50, p99, received int
	if _, err := fmt.Sscan(string(result), &o.requests, &o.errors, &received, &took, &p50, &p99); err != nil {
		return outcome{}, fmt.Errorf("read wrk's result: %w: %s", err, out)
	}
	if o.errors == 0 && received < o.requests*l.answer {
		return outcome{}, fmt.Errorf("%d answers of %d bytes came with only %d bytes", o.requests, l.answer, received)
	}
	o.took, o.p50, o.p99 = time.Duration(took)*time.Microsecond, time.Duration(p50)*time.Microsecond, time.Duration(p99)*time.Microsecond
	return o, nil
}

// generate is the generator for machines without wrk.
func generate(ctx context.Context, address string, l load, d time.Duration) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	start := time.Now()
	var mu sync.Mutex
	var o outcome
	var latencies []time.Duration
	var all sync.WaitGroup
	for range l.connections {
		all.Go(func() {
			took, err := knock(ctx, address, l)
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, took...)
			if err != nil && ctx.Err() == nil {
				o.errors++
			}
		})
	}
	all.Wait()
	o.took, o.requests = time.Since(start), len(latencies)
	if len(latencies) > 0 {
		slices.Sort(latencies)
		o.p50, o.p99 = latencies[len(latencies)/2], latencies[len(latencies)*99/100]
	}
	return o, nil
}

// knock sends one request after the other on one connection, and returns how long each took.
func knock(ctx context.Context, address string, l load) (took []time.Duration, err error) {
	c, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	request := l.request(address)
	for {
		begun := time.Now()
		if err := c.trip(request, l.answer); err != nil {
			return took, err
		}
		took = append(took, time.Since(begun))
	}
}

func (l load) request(host string) []byte {
	if l.body == 0 {
		return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", l.path(), host)
	}
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s",
		l.path(), host, l.body, strings.Repeat("x", l.body))
}

// client is one keep-alive connection.
type client struct {
	net.Conn
	in *bufio.Reader
}

func dial(ctx context.Context, address string) (*client, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &client{nc, bufio.NewReaderSize(nc, 4<<10)}, nil
}

// trip sends a request and reads its answer, whose body must have that many bytes.
func (c *client) trip(request []byte, size int) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	status, err := c.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("answered %q", status)
	}
	length := -1
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if length != size {
		return fmt.Errorf("an answer of %d bytes, wanted %d", length, size)
	}
	_, err = c.in.Discard(length)
	return err
}
