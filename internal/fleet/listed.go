package fleet

import (
	"context"
	"slices"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/node"
)

// listed is a service with a fixed list of addresses. The fleet publishes its nodes, and neither starts nor stops them.
type listed struct {
	*service
	own []*member // its part of service.members; guarded by core.mu
}

func newListed(record *service, s Service) *listed {
	l := &listed{service: record}
	record.form = form{kind: config.Listed}
	l.list(&s.Service)
	l.members = append(l.members, l.own...)
	l.publish()
	return l
}

// list makes the members of a list of addresses, and takes its settings. A node whose address was listed before keeps
// its id. It returns the members that are not listed any more. The lock is held.
func (l *listed) list(s *config.Service) (gone []*member) {
	former := l.own
	l.own = nil
	for i, address := range s.Addresses {
		m := takeMember(&former, address)
		if m == nil {
			m = &member{Node: node.Node{Service: l.Name, Address: address}}
			m.age, m.ID = l.nextID()
		}
		m.Weight, m.Backup = 0, s.Backups != nil && s.Backups[i]
		if s.Weights != nil {
			m.Weight = s.Weights[i]
		}
		l.own = append(l.own, m)
	}
	l.settings, l.min, l.max, l.wanted = s, len(l.own), len(l.own), len(l.own)
	return former
}

// takeMember removes the member with an address from a list and returns it. A member that drains is left out: its
// address is listed as a new node.
func takeMember(members *[]*member, address string) *member {
	i := slices.IndexFunc(*members, func(m *member) bool { return m.Address == address && m.State != node.Draining })
	if i < 0 {
		return nil
	}
	m := (*members)[i]
	*members = slices.Delete(slices.Clone(*members), i, i+1)
	return m
}

// run logs when a node is not ready soon after the start, and waits for the end of ctx. When the service is removed, its
// nodes drain.
func (l *listed) run(ctx context.Context, _ context.CancelCauseFunc) {
	l.watchStatic(ctx)
	<-ctx.Done()
	if context.Cause(ctx) != errRemoved {
		return
	}
	l.mu.Lock()
	own := l.own
	l.own = nil
	l.mu.Unlock()
	l.dismiss(ctx, own)
}

// watchStatic logs once when a node is not ready within slowStart.
func (l *listed) watchStatic(ctx context.Context) {
	soon, cancel := context.WithTimeoutCause(ctx, slowStart, errSlowStart)
	defer cancel()
	for _, n := range l.nodes() {
		if err := l.traffic.AwaitReady(soon, l.Name, n.ID); err != nil && ctx.Err() == nil {
			l.warnNotReady(n.ID, n.Address, err)
			return
		}
	}
}

func (l *listed) awaitStart(ctx context.Context) error {
	l.mu.Lock()
	own := slices.Clone(l.own)
	l.mu.Unlock()
	l.awaitAny(ctx, own)
	return ctx.Err()
}

// update takes another list of addresses. Nodes that are not listed any more drain at the same time.
func (l *listed) update(ctx context.Context, s Service) error {
	if err := l.begin("update"); err != nil {
		return err
	}
	defer l.finish()
	l.mu.Lock()
	gone := l.list(&s.Service)
	for _, m := range l.own {
		if !slices.Contains(l.members, m) {
			l.members = append(l.members, m)
		}
	}
	l.publish()
	l.mu.Unlock()
	if len(gone) > 0 {
		l.awaitAny(ctx, l.own)
	}
	l.dismiss(ctx, gone)
	return nil
}

func (l *listed) resize(int) error              { return ErrStatic }
func (l *listed) restart(context.Context) error { return ErrStatic }
