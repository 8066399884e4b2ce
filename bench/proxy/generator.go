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

// loadResult is what a generator measured.
type loadResult struct {
	requests int
	took     time.Duration
	p50, p99 time.Duration
	errors   int
}

// generator sends load to an address for the duration d. Requests without a response at the end do not count.
type generator func(ctx context.Context, address string, l load, d time.Duration) (loadResult, error)

//go:embed wrk.lua
var wrkScript []byte

// chooseGenerator returns wrk if it is installed and can be used, otherwise the built-in generator, and its name.
func chooseGenerator(ctx context.Context, o options, dir string) (string, generator, error) {
	wrk, err := exec.LookPath("wrk")
	if err != nil || o.noWrk || o.window%time.Second != 0 {
		return "built in (Go)", generate, nil
	}
	script := filepath.Join(dir, "wrk.lua")
	if err := os.WriteFile(script, wrkScript, 0o644); err != nil {
		return "", nil, err
	}
	out, _ := exec.CommandContext(ctx, wrk, "-v").CombinedOutput() // wrk -v exits with 1
	version, _, _ := strings.Cut(string(out), " [")
	return version, func(ctx context.Context, address string, l load, d time.Duration) (loadResult, error) {
		return runWrk(ctx, script, address, l, d)
	}, nil
}

// runWrk sends load with wrk and reads the result that wrk.lua prints.
func runWrk(ctx context.Context, script, address string, l load, d time.Duration) (loadResult, error) {
	ctx, cancel := context.WithTimeout(ctx, d+10*time.Second)
	defer cancel()
	cmd := pinned(ctx, otherCore, "wrk", "-t1", fmt.Sprintf("-c%d", l.connections),
		fmt.Sprintf("-d%ds", int(d.Seconds())),
		"-s", script, "http://"+address+l.path())
	cmd.Env = append(os.Environ(), fmt.Sprintf("BENCH_BODY=%d", l.body))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return loadResult{}, fmt.Errorf("run wrk: %w: %s", err, out)
	}
	_, result, _ := bytes.Cut(out, []byte("\nresult "))
	var o loadResult
	var took, p50, p99, received int
	if _, err := fmt.Sscan(string(result), &o.requests, &o.errors, &received, &took, &p50, &p99); err != nil {
		return loadResult{}, fmt.Errorf("read result of wrk: %w: %s", err, out)
	}
	if o.errors == 0 && received < o.requests*l.response {
		return loadResult{}, fmt.Errorf("%d responses of %d bytes had only %d bytes together", o.requests, l.response,
			received)
	}
	o.took, o.p50, o.p99 = time.Duration(took)*time.Microsecond, time.Duration(p50)*time.Microsecond,
		time.Duration(p99)*time.Microsecond
	return o, nil
}

// generate is the built-in generator.
func generate(ctx context.Context, address string, l load, d time.Duration) (loadResult, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	start := time.Now()
	var mu sync.Mutex
	var o loadResult
	var latencies []time.Duration
	var connections sync.WaitGroup
	for range l.connections {
		connections.Go(func() {
			took, err := sendRequests(ctx, address, l)
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, took...)
			if err != nil && ctx.Err() == nil {
				o.errors++
			}
		})
	}
	connections.Wait()
	o.took, o.requests = time.Since(start), len(latencies)
	if len(latencies) > 0 {
		slices.Sort(latencies)
		o.p50, o.p99 = latencies[len(latencies)/2], latencies[len(latencies)*99/100]
	}
	return o, nil
}

// sendRequests sends one request after the other on one connection until ctx ends. It returns the latency of each.
func sendRequests(ctx context.Context, address string, l load) (took []time.Duration, err error) {
	c, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	request := l.request(address)
	for {
		start := time.Now()
		if err := c.roundTrip(request, l.response); err != nil {
			return took, err
		}
		took = append(took, time.Since(start))
	}
}

// request returns the whole request of the case.
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

// roundTrip sends a request and reads the response. It fails if the status is not 200 or the body does not have `size`
// bytes.
func (c *client) roundTrip(request []byte, size int) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	status, err := c.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("response %q", status)
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
		return fmt.Errorf("response body of %d bytes, want %d", length, size)
	}
	_, err = c.in.Discard(length)
	return err
}
