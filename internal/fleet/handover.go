package fleet

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/node"
)

// Handover is what the fleet of a successor must know. It is written and read as JSON.
type Handover struct {
	Services []HandedService `json:"services"`
}

// HandedService is a service during a handover.
type HandedService struct {
	Name     string      `json:"name"`
	Kind     config.Kind `json:"kind"`
	Wanted   int         `json:"wanted"`
	IDs      int         `json:"ids"`      // how many were given out
	Versions int         `json:"versions"` // how many there were
	Restarts int         `json:"restarts"`
	Ever     bool        `json:"ever_ready"`
	LastExit *Exit       `json:"last_exit,omitempty"`
	// Current is the version of new nodes of an owned service. A node that runs another one has its own.
	Current *HandedVersion `json:"current,omitempty"`
	// Previous, RolledBack, Canary and Share say what a rollback or a promotion would do.
	Previous   *HandedVersion `json:"previous,omitempty"`
	RolledBack bool           `json:"rolled_back,omitempty"`
	Canary     *HandedVersion `json:"canary,omitempty"`
	Share      float64        `json:"share,omitempty"`
	Begun      bool           `json:"begun"`    // what comes before its first nodes is done
	Finished   int            `json:"finished"` // nodes of a worker that ended and are not replaced
	Nodes      []HandedNode   `json:"nodes"`
}

// HandedVersion is what nodes run.
type HandedVersion struct {
	Number        int               `json:"number"`
	Service       config.Service    `json:"service"`
	FileVariables map[string]string `json:"file_variables,omitempty"` // of env_file, as they were read for this version
}

// HandedNode is a node that exists during a handover.
type HandedNode struct {
	node.Node
	Age     int            `json:"age"`
	Ready   bool           `json:"ready"`
	Version *HandedVersion `json:"version,omitempty"` // nil for that of the service
}

// Handover returns the fleet as a successor must know it. It fails with [ErrBusy] while a service changes: while it is
// restarted, updated or removed, or a node is being replaced.
func (f *Fleet) Handover() (Handover, error) {
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	var h Handover
	for _, s := range f.core.services {
		handed, err := s.handOver()
		if err != nil {
			return Handover{}, fmt.Errorf("service %q: %w", s.Name, err)
		}
		h.Services = append(h.Services, handed)
	}
	return h, nil
}

// handOver describes the service. The lock is held.
func (s *service) handOver() (HandedService, error) {
	switch {
	case s.operation != "":
		return HandedService{}, fmt.Errorf("%w: its %s is not finished", ErrBusy, s.operation)
	case s.job == nil:
		return HandedService{}, fmt.Errorf("%w: its removal is not finished", ErrBusy)
	}
	h := HandedService{
		Name: s.Name, Kind: s.kind, Wanted: s.wanted, IDs: s.ids, Versions: s.versions,
		Restarts: s.restarts, Ever: s.everReady, LastExit: s.lastExit, Current: s.current.handOver(),
		Previous: s.previous.handOver(), RolledBack: s.rolledBack, Finished: s.finished,
	}
	if c := s.canary; c != nil {
		h.Canary, h.Share = c.version.handOver(), c.share
	}
	versions := map[*member]*version{}
	if o, ok := s.job.kind.(*owned); ok {
		h.Begun = o.running
		for _, slot := range o.slots {
			if slot.pinned || slot.spare {
				return HandedService{}, fmt.Errorf("%w: node %s", ErrBusy, slot.runner.id)
			}
			versions[slot.runner.member] = slot.runner.version
		}
	}
	for _, m := range s.members {
		n := HandedNode{Node: m.Node, Age: m.age, Ready: m.ready}
		if v := versions[m]; v != nil && v != s.current {
			n.Version = v.handOver()
		}
		h.Nodes = append(h.Nodes, n)
	}
	return h, nil
}

func (v *version) handOver() *HandedVersion {
	if v == nil {
		return nil
	}
	return &HandedVersion{Number: v.number, Service: v.service, FileVariables: v.service.FileVariables()}
}

// Detach leaves the nodes to a successor: from now on the end of Run does not stop them.
func (f *Fleet) Detach() {
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	f.core.detached = true
}

func (c *core) isDetached() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.detached
}

// Adopt takes over the nodes of a predecessor, before Run. instance returns a node that runs, or false when it has
// ended. A service that has another kind now is started anew. Adopt returns the ids of the nodes that are ready, by
// service: they should answer their probe at once.
func (f *Fleet) Adopt(h Handover, instance func(id string) (Instance, bool)) (ready map[string][]string, err error) {
	if f.ran.Load() {
		return nil, errors.New("adopt nodes: the fleet runs already")
	}
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	ready = map[string][]string{}
	for _, handed := range h.Services {
		s := f.core.find(handed.Name)
		if s == nil {
			f.core.lastIDs[handed.Name], f.core.lastVersions[handed.Name] = handed.IDs, handed.Versions
			continue
		}
		s.ids, s.versions = max(s.ids, handed.IDs), max(s.versions, handed.Versions)
		if s.kind != handed.Kind {
			continue
		}
		s.restarts, s.lastExit, s.everReady = handed.Restarts, handed.LastExit, handed.Ever
		f.core.started = f.core.started || handed.Ever
		s.warned = handed.Ever
		switch k := s.job.kind.(type) {
		case *owned:
			k.takeOver(handed, instance)
		case *listed:
			k.takeOver(handed)
		}
		for _, m := range s.members {
			if m.ready && m.State != node.Draining && m.Address != "" {
				ready[s.Name] = append(ready[s.Name], m.ID)
			}
		}
		s.publish()
	}
	return ready, nil
}

// takeOver makes a slot of each node that runs. Slots that are missing are added by run. The lock is held.
func (o *owned) takeOver(h HandedService, instance func(id string) (Instance, bool)) {
	o.wanted = min(max(h.Wanted, o.min), o.max)
	o.failed, o.adopted = h.Restarts, h.Begun
	if h.Current != nil {
		o.history = history{current: o.current.as(h.Current), rolledBack: h.RolledBack}
	}
	if h.Previous != nil {
		o.previous = o.current.as(h.Previous)
	}
	if h.Canary != nil {
		o.canary = &canary{o.current.as(h.Canary), h.Share}
	}
	for range h.Finished {
		slot := o.addSlot(o.current)
		slot.setFinished(true)
	}
	for _, n := range h.Nodes {
		i, ok := instance(n.ID)
		if !ok {
			continue // it has ended meanwhile: run starts another one
		}
		v := o.current
		isCanary := n.Version != nil && h.Canary != nil && n.Version.Number == h.Canary.Number
		switch {
		case isCanary:
			v = o.canary.version
		case n.Version != nil:
			v = v.as(n.Version)
		}
		slot := &slot{service: o.service, version: v, first: make(chan error, 1), gone: make(chan struct{}), stays: make(chan struct{})}
		slot.leaving, slot.canary = n.State == node.Draining, isCanary
		m := &member{Node: n.Node, age: n.Age, ready: n.Ready}
		slot.runner = &runner{service: o.service, version: v, id: n.ID, age: n.Age, adopted: i, member: m,
			life: slot.life, onReady: slot.nodeReady, onStable: slot.nodeStable}
		o.members = append(o.members, m)
		o.slots = append(o.slots, slot)
	}
}

// as returns a version of the predecessor, with the driver of v.
func (v *version) as(h *HandedVersion) *version {
	return &version{number: h.Number, service: h.Service.WithFileVariables(h.FileVariables), driver: v.driver}
}

// takeOver gives the nodes of a list of addresses the ids and states that they had. The lock is held.
func (l *listed) takeOver(h HandedService) {
	for _, n := range h.Nodes {
		i := slices.IndexFunc(l.own, func(m *member) bool { return m.Address == n.Address })
		if i < 0 {
			continue
		}
		m := l.own[i]
		m.ID, m.age = n.ID, n.Age
		if n.State == node.Draining {
			m.State = node.Draining
		}
	}
}
