package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/gateway"
	"github.com/tenfold-go/tenfold/internal/report"
	"github.com/tenfold-go/tenfold/internal/status"
)

// targetFleet is the number and state of the nodes behind the target, if the target is the gateway of a tenfold. It reads
// their number while the load runs, because a knee is only of so many nodes as served the steps that passed.
type targetFleet struct {
	admin   adminFlags
	service string // "" if the requests lead to several services
	unknown string // why the number is not known

	first []string // ids of the ready nodes before the load

	mu    sync.Mutex
	last  []string // ids of the ready nodes at the last look
	seen  nodeRange
	steps []stepNodes
}

// nodeRange are the smallest and the largest number of nodes that were ready at some looks.
type nodeRange struct{ low, high int }

func (r *nodeRange) add(n int) { r.low, r.high = min(r.low, n), max(r.high, n) }

func (r nodeRange) String() string {
	if r.low == r.high {
		return report.Count(r.low, "node")
	}
	return fmt.Sprintf("%d to %d nodes", r.low, r.high)
}

// stepNodes are the nodes that were ready during a step.
type stepNodes struct {
	offered float64
	outcome curve.Outcome
	nodes   nodeRange
}

// askFleet returns the fleet behind the target by the routes of a running tenfold.
func askFleet(ctx context.Context, admin adminFlags, w *loadWork) (*targetFleet, error) {
	var routes []status.Route
	if err := admin.get(ctx, "/api/routes", &routes); err != nil {
		return nil, err
	}
	f := &targetFleet{admin: admin}
	switch services := servicesOf(routes, w.requests); len(services) {
	case 0:
		return nil, usageError(fmt.Errorf("no route of the tenfold at %s leads %s to a service", admin.Admin, w.url.Redacted()),
			"check the target and --admin; --target-nodes N says how many nodes are behind the target")
	case 1:
		f.service = services[0]
	default:
		f.unknown = fmt.Sprintf("its requests lead to several services: %s; --target-nodes N says how many nodes to count",
			strings.Join(services, ", "))
		return f, nil
	}
	err := f.look(ctx)
	f.first = f.last
	f.startStep()
	return f, err
}

// servicesOf returns the services that the requests lead to, each once, in the order of the requests.
func servicesOf(routes []status.Route, requests []*http.Request) (services []string) {
	all := make([]config.Route, len(routes))
	for i, r := range routes {
		all[i] = config.Route{Host: r.Host, Path: r.Path, Methods: r.Methods, Headers: r.Headers, To: r.To}
	}
	for _, r := range requests {
		if to := gateway.ServiceOf(all, r); to != "" && !slices.Contains(services, to) {
			services = append(services, to)
		}
	}
	return services
}

// look reads which nodes of the service are ready.
func (f *targetFleet) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var nodes []status.Node
	if err := f.admin.get(ctx, "/api/nodes", &nodes); err != nil {
		return err
	}
	var ready []string
	for _, n := range nodes {
		if n.Service == f.service && (n.State == "ready" || n.State == "warming") {
			ready = append(ready, n.ID)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = ready
	f.seen.add(len(ready))
	return nil
}

// watch looks once a second until ctx ends. A look that fails is left out: the admin address of a busy machine may be
// slow. It does nothing if the service is not known.
func (f *targetFleet) watch(ctx context.Context) {
	if f.service == "" {
		return
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.look(ctx)
		}
	}
}

// startStep begins a new range with the nodes of the last look.
func (f *targetFleet) startStep() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = nodeRange{len(f.last), len(f.last)}
}

// endStep looks once more and keeps what was seen during the step.
func (f *targetFleet) endStep(ctx context.Context, s *curve.Step) {
	if f.service == "" {
		return
	}
	if err := f.look(ctx); err != nil && ctx.Err() == nil {
		f.unknown = fmt.Sprintf("the admin address did not answer during the test: %v", err)
	}
	f.mu.Lock()
	f.steps = append(f.steps, stepNodes{s.Offered, s.Outcome(), f.seen})
	f.mu.Unlock()
	f.startStep()
}

// announce prints what the load is about to measure.
func (f *targetFleet) announce() string {
	if f.unknown != "" {
		return "the target is the gateway of a tenfold, but the number of nodes is not known: " + f.unknown
	}
	return fmt.Sprintf("the target is the gateway of a tenfold: %s of service %s ready", report.Count(len(f.first), "node"), f.service)
}

// mark writes into the document how many nodes were behind the target, or why that is not known.
func (f *targetFleet) mark(d *curve.Document) {
	if f.unknown == "" {
		var notes []string
		d.TargetNodes, notes, f.unknown = targetNodes(f.steps)
		d.Notes = append(d.Notes, notes...)
	}
	switch {
	case f.unknown != "":
		d.TargetNodesUnknown = f.unknown
		d.Notes = append(d.Notes, "how many nodes the result is of is not known, and tenfold plan cannot use it: "+f.unknown)
	default:
		d.Notes = append(d.Notes, fleetNote(d.TargetNodes, f.service))
	}
	if f.service != "" && len(f.first) == len(f.last) && !slices.Equal(f.first, f.last) {
		d.Notes = append(d.Notes, fmt.Sprintf("nodes of service %s were replaced during the test: a new node starts cold, so "+
			"measure again if steps near that time look slow", f.service))
	}
}

// fleetNote returns the note that a result is that of a fleet.
func fleetNote(nodes int, service string) string {
	of := report.Count(nodes, "node")
	if service != "" {
		of += " of service " + service
	}
	if nodes == 1 {
		return "behind the target: " + of + " (target_nodes)"
	}
	return fmt.Sprintf("behind the target: %s (target_nodes); the rates are those of all of them together, and tenfold plan "+
		"divides the knee by %d", of, nodes)
}

// targetNodes decides how many nodes a result is of: the nodes that were ready in the steps that passed, or in all steps
// if no step has a verdict or none passed. A step that failed may have had other nodes, for example because overloaded
// nodes did not pass their probe; that is a note. Otherwise the number is not known if it changed.
func targetNodes(steps []stepNodes) (nodes int, notes []string, unknown string) {
	counts := func(s stepNodes) bool { return s.outcome == curve.Pass }
	if !slices.ContainsFunc(steps, counts) {
		counts = func(stepNodes) bool { return true }
	}
	var all *nodeRange
	for _, s := range steps {
		switch {
		case !counts(s):
		case all == nil:
			all = &nodeRange{s.nodes.low, s.nodes.high}
		default:
			all.add(s.nodes.low)
			all.add(s.nodes.high)
		}
	}
	switch {
	case all == nil:
		return 0, nil, "nothing was measured"
	case all.low != all.high:
		return 0, nil, fmt.Sprintf("the number of ready nodes changed during the test: %v", *all)
	case all.low == 0:
		return 0, nil, "no node was ready"
	}
	for _, s := range steps {
		if !counts(s) && s.nodes != *all {
			notes = append(notes, fmt.Sprintf("at %s/s, which did not pass, %v were ready instead of %d: that step is not about the "+
				"same fleet", report.Short(s.offered), s.nodes, all.low))
		}
	}
	return all.low, notes, ""
}
