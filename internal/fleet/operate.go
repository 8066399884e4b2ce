package fleet

import (
	"context"
	"fmt"
	"slices"
)

// Scale sets the wanted size of a service, within its nodes: MIN..MAX. It returns at once, and Run does the rest. It
// works during a crash loop, too: Status.CrashLoop tells the caller.
func (f *Fleet) Scale(ctx context.Context, service string, n int) error {
	err := ErrUnknownService
	if k := f.find(service); k != nil {
		if err = ctx.Err(); err == nil {
			err = k.resize(n)
		}
	}
	if err != nil {
		return fmt.Errorf("scale service %q to %d: %w", service, n, err)
	}
	return nil
}

// Restart replaces the nodes of a service one by one. A new node is ready before an old one drains, and the old one is
// gone before the next new one starts: there is never more than one node above the size. Restart stops at the first new
// node that fails, or when ctx ends, and the remaining old nodes keep running. It fails with [ErrBusy] during another
// restart, and with [ErrStatic] or [ErrRemote] when tenfold does not start the nodes.
func (f *Fleet) Restart(ctx context.Context, service string) error {
	err := ErrUnknownService
	if k := f.find(service); k != nil {
		err = k.restart(ctx)
	}
	if err != nil {
		return fmt.Errorf("restart service %q: %w", service, err)
	}
	return nil
}

// Drain replaces one node. A new node is ready before the old one drains, so the service keeps its size. Drain returns
// when the old node is gone. When the new node fails, or ctx ends before it is ready, the old node keeps running. A
// drain that has begun goes on when ctx ends. A node of a list of addresses gets no more requests, and is neither
// replaced nor stopped.
func (f *Fleet) Drain(ctx context.Context, id string) error {
	err := ErrUnknownNode
	if k, m := f.findNode(id); k != nil {
		err = k.drain(ctx, m)
	}
	if err != nil {
		return fmt.Errorf("drain node %q: %w", id, err)
	}
	return nil
}

// findNode returns a node and its service, or nil.
func (f *Fleet) findNode(id string) (kind, *member) {
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	for _, k := range f.services {
		members := k.record().members
		if i := slices.IndexFunc(members, func(m *member) bool { return m.ID == id }); i >= 0 {
			return k, members[i]
		}
	}
	return nil, nil
}
