package main

import (
	"context"
	"errors"

	"github.com/tenfold-go/tenfold/internal/console"
	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/gateway/upstream"
	"github.com/tenfold-go/tenfold/internal/node"
)

// rooms is the house as the console sees it: what the fleet knows and what the gateway knows, put together.
type rooms house

func (h *rooms) Services() (all []console.Service) {
	for _, s := range h.fleet.Services() {
		v := console.Service{
			Name: s.Service, Kind: "process", Min: s.Min, Max: s.Max, Wanted: s.Wanted, Running: s.Running, Ready: s.Ready,
			Restarts: s.Restarts, Restarting: s.Restarting, CrashLoop: s.CrashLoop,
		}
		switch {
		case s.Static:
			v.Kind = "static"
		case s.Worker:
			v.Kind = "worker"
		}
		if !s.Worker { // the gateway probes; the fleet knows only who was ready once
			v.Ready, v.Breaker = 0, h.gateway.Breaker(s.Service)
			for _, n := range h.gateway.Nodes(s.Service) {
				if n.State == node.Ready || n.State == node.Warming {
					v.Ready++
				}
			}
		}
		if e := s.LastExit; e != nil {
			v.LastExit = &console.LastExit{Node: e.Node, Reason: e.Reason, Output: e.Output, At: e.At}
		}
		all = append(all, v)
	}
	return all
}

// Nodes lists what the fleet has, in the order of the nodes' numbers, with what the gateway knows of those that serve.
func (h *rooms) Nodes() (all []console.Node) {
	for _, s := range h.cfg.Services {
		serving := make(map[string]upstream.Status)
		for _, n := range h.gateway.Nodes(s.Name) {
			serving[n.ID] = n
		}
		for _, n := range h.fleet.Nodes(s.Name) {
			v := shown(n)
			if g, ok := serving[n.ID]; ok {
				v.State, v.Ejected = g.State.String(), g.Ejected
				v.InFlight, v.Requests, v.Failures = g.InFlight, g.Requests, g.Failures
				if g.ProbeErr != nil {
					v.ProbeErr = g.ProbeErr.Error()
				}
				v.LatencyMS = float64(g.Latency.Microseconds()) / 1000
			}
			all = append(all, v)
		}
	}
	return all
}

func shown(n node.Node) console.Node {
	return console.Node{Service: n.Service, ID: n.ID, Address: n.Address, State: n.State.String(), PID: n.PID, Started: n.Started}
}

func (h *rooms) Routes() (all []console.Route) {
	for _, r := range h.cfg.Routes {
		v := console.Route{Host: r.Host, Path: r.Path, Methods: r.Methods, Headers: r.Headers, To: r.To}
		if r.Auth != "off" {
			v.Auth = r.Auth
		}
		if r.RateLimit != nil {
			v.RateLimit = r.RateLimit.Rate.String()
		}
		if r.Idempotency != nil {
			v.Idempotency = r.Idempotency.Mode
		}
		all = append(all, v)
	}
	return all
}

func (h *rooms) Restart(ctx context.Context, service string) error {
	return told(h.fleet.Restart(ctx, service))
}

func (h *rooms) Scale(ctx context.Context, service string, nodes int) error {
	return told(h.fleet.Scale(ctx, service, nodes))
}

func (h *rooms) Drain(ctx context.Context, id string) error {
	return told(h.fleet.Drain(ctx, id))
}

// told says in the console's terms why the fleet refused.
func told(err error) error {
	for _, e := range []error{fleet.ErrUnknownService, fleet.ErrUnknownNode} {
		if errors.Is(err, e) {
			return &refusal{err, console.ErrUnknown}
		}
	}
	for _, e := range []error{fleet.ErrStatic, fleet.ErrBusy, fleet.ErrSize, fleet.ErrNotRunning} {
		if errors.Is(err, e) {
			return &refusal{err, console.ErrRefused}
		}
	}
	return err
}

// refusal is the fleet's error with what it means to the console.
type refusal struct {
	error
	kind error
}

func (r *refusal) Unwrap() []error { return []error{r.error, r.kind} }
