package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/fleet/process"
	"github.com/tenfold-go/tenfold/internal/gateway"
	"github.com/tenfold-go/tenfold/internal/store"
)

// How long a successor waits for the first good probes of the nodes that were ready. The
// predecessor would not send requests to a node that does not answer then, either.
const (
	probePatience = 2 * time.Second  // for all nodes of a service
	anyPatience   = 10 * time.Second // for one node of it
)

// adopt gives the parts what the predecessor has handed over.
func (s *Server) adopt(in *Inherited) (err error) {
	if s.ready, err = s.fleet.Adopt(in.state.Fleet, s.adoptedNode); err != nil {
		return err
	}
	return s.store.Adopt(in.state.Store, func(id string) (store.Process, bool) { return s.process.Adopted(id) })
}

func (s *Server) adoptedNode(id string) (fleet.Instance, bool) { return s.process.Adopted(id) }

// TakeOver succeeds the predecessor while Run works: it waits until the nodes answer, then until the predecessor has
// released everything, and serves. The former process then drains. After an error this process must end at once: it has
// nothing yet.
func (s *Server) TakeOver(ctx context.Context) error {
	s.awaitNodes(ctx)
	if err := s.inherited.predecessor.Ready(); err != nil {
		return err
	}
	s.sockets.Start()
	s.inherited.supervised.Announce()
	s.notifier.Ready("serving")
	if err := s.inherited.predecessor.Serving(); err != nil {
		s.log.Error("the former process was not told that this one serves", "err", err)
	}
	for _, id := range s.process.StopUnknown() {
		s.log.Warn("a node of the former process belongs to no service: it is stopped", "node", id)
	}
	return nil
}

// Orphaned is closed when the supervisor has ended; nil when this process has none.
func (s *Server) Orphaned() <-chan struct{} {
	if s.inherited == nil {
		return nil
	}
	return s.inherited.supervised.Gone()
}

// awaitNodes waits until the nodes that were ready answer their probes, but not longer than probePatience, or until one of
// each service does, but not longer than anyPatience.
func (s *Server) awaitNodes(ctx context.Context) {
	var services sync.WaitGroup
	for service, ids := range s.ready {
		services.Go(func() { s.awaitNodesOf(ctx, service, ids) })
	}
	services.Wait()
}

func (s *Server) awaitNodesOf(ctx context.Context, service string, ids []string) {
	ctx, cancel := context.WithTimeout(ctx, anyPatience)
	defer cancel()
	answers := make(chan error, len(ids))
	for _, id := range ids {
		go func() { // ends with ctx
			err := s.gateway.AwaitReady(ctx, service, id)
			if err != nil {
				s.log.Warn("node of the former process does not answer", "service", service, "node", id, "err", err)
			}
			answers <- err
		}()
	}
	soon, over := time.After(probePatience), false
	for ready, seen := 0, 0; seen < len(ids) && !(over && ready > 0); {
		select {
		case err := <-answers:
			if seen++; err == nil {
				ready++
			}
		case <-soon:
			over = true // from now on, one is enough
		}
	}
}

// traffic is the gateway, as the fleet sees it. Nodes of a predecessor may have requests that this process
// does not see: their drain lasts until the predecessor has no request left.
type traffic struct {
	*gateway.Gateway
	former interface {
		End()                  // asks the predecessor to finish its requests soon
		Gone() <-chan struct{} // closed when it has
	}
	has func(id string) bool // the node was one of the predecessor
}

func (t traffic) Drain(ctx context.Context, service, id string) error {
	err := t.Gateway.Drain(ctx, service, id)
	if err != nil || !t.has(id) {
		return err
	}
	t.former.End()
	select {
	case <-t.former.Gone():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("requests of the former process are still running: %w", context.Cause(ctx))
	}
}

// newTraffic returns the gateway for the fleet.
func (s *Server) newTraffic() fleet.Traffic {
	if s.inherited == nil {
		return s.gateway
	}
	former := map[string]bool{}
	for _, n := range s.inherited.state.Process.Nodes {
		former[n.ID] = true
	}
	return traffic{s.gateway, s.inherited.predecessor, func(id string) bool { return former[id] }}
}

// becomeSupervisor makes this process the parent of the processes below it that lose theirs: the next successors are children
// of their predecessors.
func becomeSupervisor(log *slog.Logger) {
	if err := process.AdoptOrphans(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		log.Warn("this process cannot become a subreaper: the exit status of a later process is unknown", "err", err)
	}
}
