package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Scale sets the wanted size of a service, within its nodes: MIN..MAX. It returns at once, and Run does the rest. It
// works during a crash loop, too: Status.CrashLoop tells the caller.
func (f *Fleet) Scale(ctx context.Context, service string, n int) error {
	err := f.unknownService()
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
	err := f.unknownService()
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
// replaced nor stopped. Drain refuses the last ready one with [ErrLastReady], unless force is set. It fails with
// [node.ErrUndrained] when the node is undrained before its requests have finished.
func (f *Fleet) Drain(ctx context.Context, id string, force bool) error {
	err := f.unknownNode()
	if k, m := f.findNode(id); k != nil {
		err = k.drain(ctx, m, force)
	}
	if err != nil {
		return fmt.Errorf("drain node %q: %w", id, err)
	}
	return nil
}

// Undrain takes a node that drains back into service. A node of a list of addresses may be undrained at any time after its
// drain, another one as long as it has requests to finish: after that it fails with [ErrEnding]. A node that does not
// drain is refused with [ErrNotDraining].
func (f *Fleet) Undrain(id string) error {
	err := f.unknownNode()
	if k, m := f.findNode(id); k != nil {
		if err = k.undrain(m); err == nil {
			f.core.Log.Info("node is undrained", "service", m.Service, "node", id)
		}
	}
	if err != nil {
		return fmt.Errorf("undrain node %q: %w", id, err)
	}
	return nil
}

// findNode returns a node and the job of its service, or nil.
func (f *Fleet) findNode(id string) (*job, *member) {
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	for _, s := range f.core.services {
		if i := slices.IndexFunc(s.members, func(m *member) bool { return m.ID == id }); i >= 0 && s.job != nil {
			return s.job, s.members[i]
		}
	}
	return nil, nil
}

// maxListed is how many names an error lists.
const maxListed = 20

// Unknown returns an [ErrUnknownService] that lists the services that exist.
func (f *Fleet) Unknown() error { return f.unknownService() }

// unknownService is the error for a service that does not exist. It lists those that do.
func (f *Fleet) unknownService() error {
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	var names []string
	for _, s := range f.core.services {
		names = append(names, s.Name)
	}
	return unknown(ErrUnknownService, "services", names)
}

// unknownNode is the error for a node that does not exist. It lists those that do.
func (f *Fleet) unknownNode() error {
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	var ids []string
	for _, s := range f.core.services {
		for _, m := range s.members {
			ids = append(ids, m.ID)
		}
	}
	return unknown(ErrUnknownNode, "nodes", ids)
}

func unknown(err error, what string, names []string) error {
	if len(names) == 0 {
		return err
	}
	list := strings.Join(names[:min(len(names), maxListed)], ", ")
	if len(names) > maxListed {
		list += fmt.Sprintf(" and %d more", len(names)-maxListed)
	}
	return fmt.Errorf("%w; %s: %s", err, what, list)
}
