package fleet

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/node"
)

// service is what the fleet knows of one service.
type service struct {
	config.Service

	// Guarded by Fleet.mu.
	wanted     int
	slots      []*slot   // one per wanted node, those that are leaving and spares included
	members    []*member // the nodes that exist, in the order of their start
	set        node.Set  // members as published
	version    uint64    // of set
	ids        int       // how many were given out; an id is never reused
	restarts   int
	wasReady   bool // one of its nodes worked in this run
	toldLate   bool // that one of its nodes takes long to become ready
	restarting bool
	lastExit   *Exit
	loopSince  time.Time // since when it is in a crash loop
}

// member is a node that exists.
type member struct {
	node.Node
	age   int  // the number in its id
	ready bool // it answered its probe once, or is a worker that stayed up
}

// Exit is how a node ended unasked.
type Exit struct {
	Node   string
	Reason string   // "exit status 1", "not ready in time"
	Output []string // its last lines, oldest first
	At     time.Time
}

// Status is a service at one instant, as people want to see it.
type Status struct {
	Service          string
	Static           bool // its nodes are a list of addresses
	Worker           bool
	Min, Max, Wanted int
	Running          int // nodes that exist, draining ones included
	Ready            int // those that were ready once and are not draining; not known for a static service
	Draining         int
	Restarting       bool  // Restart is under way
	Restarts         int   // nodes that ended unasked, did not start or were not ready in time
	LastExit         *Exit // of those the last; nil for none
	CrashLoop        bool  // at least one wanted node failed five times in a row and is retried slowly
	Since            time.Time
}

func newService(c config.Service) *service {
	s := &service{Service: c, wanted: c.MinNodes, version: 1}
	for i, address := range c.Addresses {
		age, id := s.nextID()
		n := node.Node{ID: id, Service: c.Name, Address: address}
		if c.Weights != nil {
			n.Weight = c.Weights[i]
		}
		s.members = append(s.members, &member{Node: n, age: age})
	}
	if s.static() {
		s.wanted = 0
	}
	s.set = s.snapshot()
	return s
}

func find(services []*service, name string) *service {
	i := slices.IndexFunc(services, func(s *service) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return services[i]
}

func (s *service) static() bool { return len(s.Addresses) > 0 }

func (s *service) nextID() (age int, id string) {
	s.ids++
	return s.ids, s.Name + "-" + strconv.Itoa(s.ids)
}

// counted are the slots that make up the size of the service.
func (s *service) counted() (counted []*slot) {
	for _, slot := range s.slots {
		if !slot.leaving && !slot.spare {
			counted = append(counted, slot)
		}
	}
	return counted
}

func (s *service) snapshot() node.Set {
	set := node.Set{Service: s.Name, Nodes: make([]node.Node, len(s.members))}
	for i, m := range s.members {
		set.Nodes[i] = m.Node
	}
	return set
}

// spec says how a node of this service is started.
func (s *service) spec(id string, fleetEnv []string) Spec {
	env := slices.Clone(fleetEnv)
	for _, key := range slices.Sorted(maps.Keys(s.Env)) {
		env = append(env, key+"="+s.Env[key])
	}
	env = append(env, "TENFOLD_SERVICE="+s.Name, "TENFOLD_NODE="+id)
	return Spec{ID: id, Run: s.Run, Dir: s.Dir, Env: env, Serves: !s.Worker}
}

// env is what every node finds in its environment, whatever its service.
func (f *Fleet) env() []string {
	if f.opts.Env == nil {
		return nil
	}
	return f.opts.Env()
}

// looping says whether one of the slots failed again and again.
func (s *service) looping() bool {
	return slices.ContainsFunc(s.slots, func(slot *slot) bool { return !slot.leaving && slot.failures >= crashLoopAt })
}

func (s *service) status() Status {
	st := Status{
		Service: s.Name, Static: s.static(), Worker: s.Worker,
		Min: s.MinNodes, Max: s.MaxNodes, Wanted: s.wanted, Running: len(s.members),
		Restarting: s.restarting, Restarts: s.restarts, LastExit: s.lastExit,
		CrashLoop: !s.loopSince.IsZero(), Since: s.loopSince,
	}
	if s.static() {
		st.Min, st.Max, st.Wanted = len(s.Addresses), len(s.Addresses), len(s.Addresses)
	}
	for _, m := range s.members {
		switch m.phase() {
		case "ready":
			st.Ready++
		case "draining":
			st.Draining++
		}
	}
	return st
}

// phase is the node's state as the fleet sees it; what it publishes leaves readiness to the gateway's probes.
func (m *member) phase() string {
	switch {
	case m.State == node.Draining:
		return "draining"
	case m.ready:
		return "ready"
	}
	return "starting"
}

// publish makes the members the current set. The lock is held.
func (f *Fleet) publish(s *service) {
	s.set = s.snapshot()
	s.version++
	f.count(s)
	f.notify()
}

// count brings the gauges up to date. The lock is held.
func (f *Fleet) count(s *service) {
	if s.static() {
		return // whether such a node is ready only the gateway knows
	}
	states := map[string]int{"starting": 0, "ready": 0, "draining": 0}
	for _, m := range s.members {
		states[m.phase()]++
	}
	for state, n := range states {
		f.metrics.nodes.WithLabelValues(s.Name, state).Set(float64(n))
	}
	f.metrics.wanted.WithLabelValues(s.Name).Set(float64(s.wanted))
}

// Changed returns a channel that is closed at the next change of what Services or Nodes return.
func (f *Fleet) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// notify wakes the readers of Changed and Watch. The lock is held.
func (f *Fleet) notify() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// Services returns the status of every service, in the order they were given.
func (f *Fleet) Services() []Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]Status, len(f.services))
	for i, s := range f.services {
		all[i] = s.status()
	}
	return all
}

// Nodes returns the nodes of a service as they were last published; none for one that is not known. The slice must not
// be changed.
func (f *Fleet) Nodes(service string) []node.Node {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := find(f.services, service); s != nil {
		return s.set.Nodes
	}
	return nil
}

// service finds a service that tenfold runs.
func (f *Fleet) service(name string) (*service, error) {
	s := find(f.services, name)
	switch {
	case s == nil:
		return nil, ErrUnknownService
	case s.static():
		return nil, ErrStatic
	}
	return s, nil
}
