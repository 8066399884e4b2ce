//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// idle is the memory of one proxy with idle connections.
type idle struct {
	Proxy       string  `json:"proxy"`
	Connections int     `json:"connections"`
	BeforeMiB   float64 `json:"before_mib"`
	MemoryMiB   float64 `json:"memory_mib"`
	PerConnKiB  float64 `json:"per_connection_kib"`
}

// measureIdle measures one proxy after the other. Each connection carries one request first, like that of a browser.
func (r *report) measureIdle(ctx context.Context, o options, running proxies, stderr io.Writer) error {
	n := o.idle
	limit := openFiles() - 1000 // this process and the proxies need some for their backend connections
	if n > limit {
		fmt.Fprintf(stderr, "limit of %d open files (ulimit -n): %d connections instead of %d\n", openFiles(), limit, n)
		n = limit
	}
	for _, p := range running {
		fmt.Fprintf(stderr, "%s: opening %d connections\n", p.name, n)
		one, err := p.measureIdle(ctx, n)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			r.Missing = append(r.Missing, missing{p.name, err.Error()})
			continue
		}
		r.Idle = append(r.Idle, one)
	}
	return nil
}

// measureIdle measures the memory before and after n connections are open.
func (x *proxy) measureIdle(ctx context.Context, n int) (idle, error) {
	const mib = 1 << 20
	first := allCases()[0]
	before, err := used(x.cmd.Process.Pid)
	if err != nil {
		return idle{}, err
	}
	clients, err := x.openIdle(ctx, n)
	defer func() {
		for _, c := range clients {
			c.Close()
		}
	}()
	if err != nil {
		return idle{}, err
	}
	select { // the proxy finishes its work for the last requests
	case <-time.After(time.Second):
	case <-ctx.Done():
		return idle{}, ctx.Err()
	}
	after, err := used(x.cmd.Process.Pid)
	if err != nil {
		return idle{}, err
	}
	for _, c := range clients { // the result is only valid if the proxy kept all connections open
		if err := c.roundTrip(first.request(x.address), first.response); err != nil {
			return idle{}, fmt.Errorf("the proxy closed an idle connection: %w", err)
		}
	}
	return idle{
		Proxy: x.name, Connections: len(clients), BeforeMiB: float64(before.memory) / mib,
		MemoryMiB:  float64(after.memory) / mib,
		PerConnKiB: float64(after.memory-before.memory) / 1024 / float64(len(clients)),
	}, nil
}

// openIdle opens n connections, 16 at a time, and sends one request on each.
func (x *proxy) openIdle(ctx context.Context, n int) ([]*client, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	first := allCases()[0]
	request := first.request(x.address)
	var mu sync.Mutex
	var open []*client
	var openers sync.WaitGroup
	tickets := make(chan struct{}, n)
	for range n {
		tickets <- struct{}{}
	}
	close(tickets)
	for range 16 {
		openers.Go(func() {
			for range tickets {
				if ctx.Err() != nil {
					return
				}
				c, err := dial(ctx, x.address)
				if err == nil {
					mu.Lock()
					open = append(open, c)
					mu.Unlock()
					err = c.roundTrip(request, first.response)
				}
				if err != nil {
					cancel(err)
				}
			}
		})
	}
	openers.Wait()
	if ctx.Err() != nil {
		return open, context.Cause(ctx)
	}
	return open, nil
}
