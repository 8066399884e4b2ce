package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tenfold-go/tenfold/internal/node"
)

// drain takes a node out of service: it gets no new requests, and its old ones finish.
func (l *listed) drain(ctx context.Context, m *member, force bool) error {
	ctx, cancel := l.stopContext(ctx, l.config().Drain)
	defer cancel()
	ctx, keep := context.WithCancelCause(ctx)
	defer keep(nil)
	if done, err := l.beginDrain(m, keep, l.ready(), force); done || err != nil {
		return err
	}
	err := l.traffic.Drain(ctx, l.Name, m.ID)
	l.mu.Lock()
	defer l.mu.Unlock()
	if cause := context.Cause(ctx); errors.Is(cause, node.ErrUndrained) {
		return cause
	}
	m.keep = nil
	return err
}

// beginDrain publishes that a node drains. ready are the ready nodes of the service: unless force is set, the last one of
// them does not drain. done says that the node has drained before.
func (l *listed) beginDrain(m *member, keep context.CancelCauseFunc, ready []*member, force bool) (done bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	other := slices.ContainsFunc(ready, func(o *member) bool { return o != m && o.State != node.Draining })
	switch {
	case m.State == node.Draining && m.keep == nil:
		return true, nil
	case m.State == node.Draining:
		return false, fmt.Errorf("%w: it drains", ErrBusy)
	case !force && !other && slices.Contains(ready, m):
		return false, ErrLastReady
	}
	m.State, m.keep = node.Draining, keep
	l.publish()
	return false, nil
}

// ready returns the listed nodes that are ready.
func (l *listed) ready() (ready []*member) {
	l.mu.Lock()
	own := slices.Clone(l.own)
	l.mu.Unlock()
	now, cancel := context.WithCancel(context.Background())
	cancel() // it asks, and does not wait
	for _, m := range own {
		if l.traffic.AwaitReady(now, l.Name, m.ID) == nil {
			ready = append(ready, m)
		}
	}
	return ready
}

// undrain takes a node back into service. Its probe decides when it gets requests.
func (l *listed) undrain(m *member) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m.State != node.Draining || !slices.Contains(l.own, m) {
		return ErrNotDraining
	}
	l.readmit(m)
	return nil
}

// readmit publishes that a node does not drain any more, and ends its drain. The lock is held.
func (s *service) readmit(m *member) {
	keep := m.keep
	m.State, m.keep = node.Starting, nil
	m.Admitted++
	s.publish()
	if keep != nil {
		keep(node.ErrUndrained)
	}
}
