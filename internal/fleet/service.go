package fleet

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/node"
)

// service is what the fleet knows of one service of any kind: its size, its nodes and how the last one ended.
type service struct {
	*core
	Name string

	// Guarded by core.mu.
	form                   // what a change of the kind replaces
	job        *job        // what runs the service now; nil when it was removed and its nodes drain
	members    []*member   // the nodes that exist, in the order of their start
	set        node.Set    // members as they were last published
	revision   uint64      // of set
	ids        int         // how many ids were given out; an id is never reused
	versions   int         // how many versions there were
	operation  string      // "restart", "deploy" ... while one of them works, otherwise ""
	everReady  bool        // one of its nodes became ready in this run
	warned     bool        // a slow start of one of its nodes was logged
	startErr   *StartError // why the service could not start; nil when it was not found out
	restarts   int
	lastExit   *Exit
	finished   int       // slots whose node ended and is not replaced
	waitsFor   string    // what its first nodes wait for; empty for nothing
	doneBefore string    // the version whose before command was run last
	commands   int       // how many commands of before were started
	looping    int       // slots whose nodes failed crashLoopAt times in a row
	loopSince  time.Time // start of the crash loop; zero without one
}

// form is what the configuration says of a service, and what follows from it.
type form struct {
	kind     config.Kind
	settings *config.Service // those of the file; immutable: another value replaces them
	min, max int             // bounds of wanted
	wanted   int
	history  // empty unless the kind is owned
}

// member is a node that exists.
type member struct {
	node.Node
	age   int                     // the number in its id: the higher, the younger
	above string                  // the limit that it is above, overMemory; "" for none
	keep  context.CancelCauseFunc // ends its drain with node.ErrUndrained; nil when it cannot be undrained
	ready bool                    // it became ready; whether it is ready now, only the gateway knows
}

// Exit describes the end of a node that was not asked to end.
type Exit struct {
	Node   string
	Reason string   // "exit status 1", "not ready in time"
	Output []string // its last lines, oldest first
	At     time.Time
}

// Status is a service at one instant.
type Status struct {
	Service          string
	Kind             config.Kind
	Worker           bool
	Min, Max, Wanted int
	Running          int       // nodes that exist, draining ones included
	Ready            int       // nodes that became ready and do not drain, those of a canary left out; known for owned services only
	Draining         int       // nodes that drain
	Finished         int       // nodes of a worker that ended and are not replaced
	WaitsFor         string    // what its first nodes wait for: service "db", its before command; empty for nothing
	Operation        string    // what replaces its nodes: restart, update, deploy, rollback; empty for nothing
	Restarts         int       // nodes that ended unasked, did not start or were not ready in time
	LastExit         *Exit     // the last one of these; nil for none
	CrashLoop        bool      // a wanted node failed five times in a row and is retried slowly; Scale works all the same
	Since            time.Time // start of the crash loop

	Version    int  // what its nodes run; 0 when tenfold does not start them
	Previous   int  // what Rollback returns to; 0 for none
	RolledBack bool // it runs a version from before the last deploy
	Canary     node.Canary
}

// newService makes a service without a form and a job. The lock is held.
func (c *core) newService(name string) *service {
	s := &service{core: c, Name: name, revision: 1, ids: c.lastIDs[name], versions: c.lastVersions[name]}
	s.set = s.snapshot()
	c.services = append(c.services, s)
	c.notify()
	return s
}

// record returns the service itself. It gives the fleet access to the common part of each kind of service.
func (s *service) record() *service { return s }

// nextID returns the id of a new node. The lock is held.
func (s *service) nextID() (age int, id string) {
	s.ids++
	return s.ids, s.Name + "-" + strconv.Itoa(s.ids)
}

// nodes returns the nodes as they were last published. The caller must not change the slice.
func (s *service) nodes() []node.Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set.Nodes
}

// config returns the service as the configuration says it now. The caller must not change it.
func (s *service) config() *config.Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings
}

// configure takes the settings and bounds of a service. The wanted size moves into its bounds. The lock is held.
func (s *service) configure(v *config.Service) {
	s.settings, s.min, s.max = v, v.MinNodes, v.MaxNodes
	s.wanted = min(max(cmp.Or(s.wanted, v.InitialNodes()), s.min), s.max)
	s.count()
	s.notify()
}

// begin refuses other restarts and updates of the service until finish. It fails with ErrBusy during one.
func (s *service) begin(operation string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.operation != "" {
		return fmt.Errorf("%w: its %s is not finished", ErrBusy, s.operation)
	}
	s.operation = operation
	s.notify()
	return nil
}

func (s *service) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.operation = ""
	s.notify()
}

// setWanted changes the wanted size and returns the old one. It fails with ErrSize outside of the bounds. The lock is
// held.
func (s *service) setWanted(n int) (old int, err error) {
	if n < s.min || n > s.max {
		return 0, fmt.Errorf("%w: %d..%d", ErrSize, s.min, s.max)
	}
	old, s.wanted = s.wanted, n
	s.count()
	s.notify()
	return old, nil
}

// mark changes the published state of a node.
func (s *service) mark(m *member, state node.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.State = state
	s.publish()
}

// publish makes the members the current set. The lock is held.
func (s *service) publish() {
	s.set = s.snapshot()
	s.revision++
	s.count()
	s.notify()
}

func (s *service) snapshot() node.Set {
	set := node.Set{Service: s.Name, Nodes: make([]node.Node, len(s.members)), Canary: s.canarySplit()}
	for i, m := range s.members {
		set.Nodes[i] = m.Node
	}
	return set
}

// count updates the gauges. The lock is held.
func (s *service) count() {
	if s.kind == config.Listed {
		return // the fleet does not change the number of its nodes
	}
	s.Metrics.wanted.WithLabelValues(s.Name).Set(float64(s.wanted))
	if s.kind != config.Owned {
		return // only the gateway knows which of its nodes are ready
	}
	states := map[node.State]int{node.Starting: 0, node.Ready: 0, node.Draining: 0}
	for _, m := range s.members {
		states[m.progress()]++
	}
	for state, n := range states {
		s.Metrics.nodes.WithLabelValues(s.Name, state.String()).Set(float64(n))
	}
}

// whole reports whether all wanted nodes of an owned service are ready, or have finished their work. The lock is held.
func (s *service) whole() bool {
	st := s.status()
	return st.Ready+st.Finished >= st.Wanted
}

// progress is the state of a node as the fleet knows it. The published state is another one: it leaves Ready to the
// probes of the gateway.
func (m *member) progress() node.State {
	switch {
	case m.State == node.Draining:
		return node.Draining
	case m.ready:
		return node.Ready
	}
	return node.Starting
}

// status returns the service at this instant. The lock is held.
func (s *service) status() Status {
	st := Status{
		Service: s.Name, Kind: s.kind, Worker: s.settings.Worker,
		Min: s.min, Max: s.max, Wanted: s.wanted, Running: len(s.members),
		Operation: s.operation, Restarts: s.restarts, LastExit: s.lastExit,
		Finished: s.finished, WaitsFor: s.waitsFor,
	}
	s.history.describe(&st)
	for _, m := range s.members {
		switch progress := m.progress(); {
		case m.Version != 0 && m.Version == st.Canary.Version:
		case progress == node.Ready:
			st.Ready++
		case progress == node.Draining:
			st.Draining++
		}
	}
	if st.Ready+st.Finished < st.Wanted { // a service that is whole is in no crash loop, also when its nodes were ready for a short time only
		st.CrashLoop, st.Since = !s.loopSince.IsZero(), s.loopSince
	}
	return st
}
