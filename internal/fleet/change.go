package fleet

import (
	"context"
	"fmt"
)

// Add makes a service part of the fleet. When the fleet runs, its nodes start at once: see AwaitReady. Add fails when
// the service is not valid, when another one has its name, and after the end of Run. A name may be used again while the
// nodes of its former service drain.
func (f *Fleet) Add(s Service) error {
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	if err := f.add(s); err != nil {
		return fmt.Errorf("add service %q: %w", s.Name, err)
	}
	return nil
}

// add does the work of Add. The lock is held.
func (f *Fleet) add(s Service) error {
	if f.closed {
		return ErrNotRunning
	}
	record := f.core.find(s.Name)
	if record != nil && record.job != nil {
		return fmt.Errorf("duplicate service name %q", s.Name)
	}
	if err := check(f.core, s); err != nil {
		return err
	}
	if record == nil {
		record = f.core.newService(s.Name)
	}
	f.enqueue(newKind(record, s))
	f.core.started = f.core.started || f.ran.Load()
	return nil
}

// AwaitReady waits until the nodes of a service that was added are ready. For an owned service these are all wanted
// nodes, and a node that fails ends the wait with a [*NodeError]. It fails, too, when another service that the nodes start
// after is not ready within the start timeout. Of other services it waits for one node, and not
// longer than five seconds: tenfold cannot repair a node that runs elsewhere.
func (f *Fleet) AwaitReady(ctx context.Context, service string) error {
	err := f.unknownService()
	if j := f.find(service); j != nil {
		err = j.awaitStart(ctx)
	}
	if err != nil {
		return fmt.Errorf("start service %q: %w", service, err)
	}
	return nil
}

// Update changes a service to what the configuration now says. Bounds, drain and probe change in place. When what a node
// runs with has changed, the nodes are replaced one by one: a new node is ready before the old one drains. When a new
// node fails, the old version is made whole again and Update returns a [*NodeError]. A list of addresses is changed
// in place: nodes of new addresses are published, the others drain. A service may change its kind, too.
//
// Update fails with [ErrBusy] during a restart or another update. The update stops, and the old version stays, when ctx
// ends first.
func (f *Fleet) Update(ctx context.Context, s Service) error {
	err := f.unknownService()
	if j := f.find(s.Name); j != nil {
		err = f.update(ctx, j, s)
	}
	if err != nil {
		return fmt.Errorf("update service %q: %w", s.Name, err)
	}
	return nil
}

func (f *Fleet) update(ctx context.Context, j *job, s Service) error {
	if err := check(f.core, s); err != nil {
		return err
	}
	if j.record().kind == kindOf(s) {
		return j.update(ctx, s)
	}
	return f.changeKind(ctx, j, s)
}

// changeKind puts a job of another kind in the place of the current one. The nodes of the new kind are ready before
// those of the old one drain.
func (f *Fleet) changeKind(ctx context.Context, old *job, s Service) error {
	record := old.record()
	if err := record.begin("update"); err != nil {
		return err
	}
	defer record.finish()
	f.core.mu.Lock()
	if f.closed || record.job != old {
		f.core.mu.Unlock()
		return ErrNotRunning
	}
	before := record.form
	j := f.enqueue(newKind(record, s))
	launched := old.cancel != nil
	f.core.mu.Unlock()
	if launched {
		if err := j.awaitStart(ctx); err != nil {
			f.core.mu.Lock()
			record.form, record.job = before, old
			record.count()
			f.end(j)
			f.core.mu.Unlock()
			<-j.done
			return err
		}
	}
	f.core.mu.Lock()
	f.end(old)
	f.core.mu.Unlock()
	return old.await(ctx)
}

// Remove drains the nodes of a service and forgets it. It returns when the last node is gone. The removal goes on when
// ctx ends first.
func (f *Fleet) Remove(ctx context.Context, service string) error {
	err := f.remove(ctx, service)
	if err != nil {
		return fmt.Errorf("remove service %q: %w", service, err)
	}
	return nil
}

func (f *Fleet) remove(ctx context.Context, service string) error {
	f.core.mu.Lock()
	record := f.core.find(service)
	if record == nil || record.job == nil {
		f.core.mu.Unlock()
		return f.unknownService()
	}
	j := record.job
	record.job = nil
	f.end(j)
	f.core.mu.Unlock()
	f.core.Log.Info("service is removed", "service", service)
	return j.await(ctx)
}
