package status

import (
	"slices"
	"sync/atomic"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/gateway/affinity"
	"github.com/tenfold-go/tenfold/internal/gateway/certificate"
	"github.com/tenfold-go/tenfold/internal/gateway/upstream"
	"github.com/tenfold-go/tenfold/internal/node"
)

// Fleet is what a View asks of the fleet. Its methods may be called concurrently.
type Fleet interface {
	Services() []fleet.Status
	Nodes(service string) []node.Node
	// Changed returns a channel that is closed at the next change of what Services or Nodes return.
	Changed() <-chan struct{}
}

// Gateway is what a View asks of the gateway. Its methods may be called concurrently.
type Gateway interface {
	Nodes(service string) []upstream.Status // empty for a service that gets no requests
	Breaker(service string) string          // empty for a service that gets no requests
	Certificates() []certificate.Status
	// SessionsInNodes returns what says that a service is not ready for several nodes, or nil.
	SessionsInNodes(service string) *affinity.Found
	// Changed returns a channel that is closed at the next change of what Nodes returns.
	Changed() <-chan struct{}
}

// View reads the current state of all services and nodes. Its methods may be called concurrently.
type View struct {
	cfg     atomic.Pointer[config.Config]
	fleet   Fleet
	gateway Gateway
	store   func() Store
}

// New returns a View of the services and routes of cfg. store returns the current state of the store.
func New(cfg *config.Config, fleet Fleet, gateway Gateway, store func() Store) *View {
	v := &View{fleet: fleet, gateway: gateway, store: store}
	v.cfg.Store(cfg)
	return v
}

// Use makes cfg the configuration whose routes are shown.
func (v *View) Use(cfg *config.Config) { v.cfg.Store(cfg) }

// Store returns the state of the store that all nodes and gateways share.
func (v *View) Store() Store { return v.store() }

// Services returns all services in the order of the configuration.
func (v *View) Services() []Service {
	var all []Service
	for _, s := range v.fleetServices() {
		all = append(all, v.service(s))
	}
	return all
}

// fleetServices returns the services of the fleet in the order of the configuration, and then those that left it and
// drain.
func (v *View) fleetServices() []fleet.Status {
	configured := v.cfg.Load().Services
	place := make(map[string]int)
	for i, s := range configured {
		place[s.Name] = i - len(configured) // negative: before the others
	}
	all := v.fleet.Services()
	slices.SortStableFunc(all, func(a, b fleet.Status) int { return place[a.Service] - place[b.Service] })
	return all
}

func (v *View) service(s fleet.Status) Service {
	merged := Service{
		Name: s.Service, Kind: kind(s), Min: s.Min, Max: s.Max, Wanted: s.Wanted, Running: s.Running, Ready: s.Ready,
		Restarts: s.Restarts, Restarting: s.Operation != "", CrashLoop: s.CrashLoop,
		Operation: s.Operation, Finished: s.Finished, WaitsFor: s.WaitsFor,
		Version: s.Version, Previous: s.Previous, RolledBack: s.RolledBack,
	}
	if s.Canary.Version != 0 {
		merged.Canary = &Canary{s.Canary.Version, s.Canary.Share}
	}
	if !s.Worker {
		// The fleet knows only which nodes were ready once. The gateway's probes know which are ready now.
		merged.Ready, merged.Breaker = v.serving(s.Service, s.Canary.Version), v.gateway.Breaker(s.Service)
		if f := v.gateway.SessionsInNodes(s.Service); f != nil {
			merged.TwoNodes = &TwoNodes{Cookie: f.Cookie, Since: f.Since, Page: affinity.Page}
		}
	}
	if e := s.LastExit; e != nil {
		merged.LastExit = &LastExit{Node: e.Node, Reason: e.Reason, Output: e.Output, At: e.At}
	}
	return merged
}

func kind(s fleet.Status) string {
	switch {
	case s.Kind == config.Listed:
		return listed
	case s.Kind == config.Remote:
		return "remote"
	case s.Worker:
		return "worker"
	}
	return "process"
}

// serving counts the nodes of a service that get requests. It leaves out those of a version that gets a share only.
func (v *View) serving(service string, canary int) (count int) {
	others := make(map[string]bool)
	if canary != 0 {
		for _, n := range v.fleet.Nodes(service) {
			others[n.ID] = n.Version == canary
		}
	}
	for _, n := range v.gateway.Nodes(service) {
		if others[n.ID] {
			continue
		}
		if n.State == node.Ready || n.State == node.Warming {
			count++
		}
	}
	return count
}

// Nodes returns the nodes of all services in the order of the configuration, and of one service in the order of the
// numbers in their ids.
func (v *View) Nodes() []Node {
	var all []Node
	for _, s := range v.fleetServices() {
		serving := make(map[string]upstream.Status)
		for _, n := range v.gateway.Nodes(s.Service) {
			serving[n.ID] = n
		}
		for _, n := range v.fleet.Nodes(s.Service) {
			g, ok := serving[n.ID]
			all = append(all, mergeNode(n, g, ok))
		}
	}
	return all
}

// mergeNode joins what the fleet knows of a node with what the gateway knows of it. probed is false for a node that the
// gateway does not know.
func mergeNode(n node.Node, g upstream.Status, probed bool) Node {
	merged := Node{
		Service: n.Service, ID: n.ID, Address: n.Address, State: n.State.String(), PID: n.PID, Started: n.Started,
		Version: n.Version,
	}
	if !probed {
		return merged
	}
	merged.State, merged.Ejected = g.State.String(), g.Ejected
	merged.Hung, merged.HungBy = g.Hung != "", g.Hung
	merged.InFlight, merged.Requests, merged.Failures = g.InFlight, g.Requests, g.Failures
	merged.LatencyMS = float64(g.Latency.Microseconds()) / 1000
	if g.ProbeErr != nil {
		merged.ProbeErr = g.ProbeErr.Error()
	}
	return merged
}

// Routes returns all routes in the order of the configuration.
func (v *View) Routes() []Route {
	var all []Route
	for _, r := range v.cfg.Load().Routes {
		shown := Route{Host: r.Host, Path: r.Path, Methods: r.Methods, Headers: r.Headers, To: r.To}
		for _, p := range r.Policies() {
			if shown.Policies == nil {
				shown.Policies = map[string]string{}
			}
			shown.Policies[p.Key] = p.Short
		}
		all = append(all, shown)
	}
	return all
}
