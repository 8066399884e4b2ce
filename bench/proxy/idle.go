//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// idle is one proxy that holds connections on which nothing happens.
type idle struct {
	Proxy       string  `json:"proxy"`
	Connections int     `json:"connections"`
	BeforeMiB   float64 `json:"before_mib"`
	MemoryMiB   float64 `json:"memory_mib"`
	PerConnKiB  float64 `json:"per_connection_kib"`
}

// measureIdle opens connections to each proxy in turn. Each has had one request answered, as a browser's would.
func (r *report) measureIdle(ctx context.Context, o options, fleet proxies, stderr io.Writer) error {
	n := o.idle
	limit := openFiles() - 1000 // this process and the proxies need some for their backend connections
	if n > limit {
		fmt.Fprintf(stderr, "a process may have %d open files here (ulimit -n): %d connections instead of %d\n", openFiles(), limit, n)
		n = limit
	}
	for _, p := range fleet {
		fmt.Fprintf(stderr, "%s: opening %d connections\n", p.name, n)
		one, err := p.hold(ctx, n)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			r.Missing = append(r.Missing, absence{p.name, err.Error()})
			continue
		}
		r.Idle = append(r.Idle, one)
	}
	return nil
}

func (x *proxy) hold(ctx context.Context, n int) (idle, error) {
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
	select { // let the proxy's short-lived work of the last requests settle
	case <-time.After(time.Second):
	case <-ctx.Done():
		return idle{}, ctx.Err()
	}
	after, err := used(x.cmd.Process.Pid)
	if err != nil {
		return idle{}, err
	}
	for _, c := range clients { // that they were held is part of the result
		if err := c.trip(first.request(x.address), first.answer); err != nil {
			return idle{}, fmt.Errorf("an idle connection was lost: %w", err)
		}
	}
	return idle{
		Proxy: x.name, Connections: len(clients), BeforeMiB: float64(before.memory) / mib, MemoryMiB: float64(after.memory) / mib,
		PerConnKiB: float64(after.memory-before.memory) / 1024 / float64(len(clients)),
	}, nil
}

// openIdle opens n connections, sixteen at a time, with one request on each.
func (x *proxy) openIdle(ctx context.Context, n int) ([]*client, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	first := allCases()[0]
	request := first.request(x.address)
	var mu sync.Mutex
	var open []*client
	var openers sync.WaitGroup
	places := make(chan struct{}, n)
	for range n {
		places <- struct{}{}
	}
	close(places)
	for range 16 {
		openers.Go(func() {
			for range places {
				if ctx.Err() != nil {
					return
				}
				c, err := dial(ctx, x.address)
				if err == nil {
					mu.Lock()
					open = append(open, c)
					mu.Unlock()
					err = c.trip(request, first.answer)
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
