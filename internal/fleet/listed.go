package fleet

import (
	"context"
	"strconv"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/node"
)

// listed is a service with a fixed list of addresses. The fleet publishes its nodes, and neither starts nor stops them.
type listed struct{ *service }

func newListed(c *core, s config.Service) *listed {
	l := &listed{newService(c, s, config.Listed, len(s.Addresses), len(s.Addresses))}
	for i, address := range s.Addresses {
		n := node.Node{ID: s.Name + "-" + strconv.Itoa(i+1), Service: s.Name, Address: address}
		if s.Weights != nil {
			n.Weight = s.Weights[i]
		}
		n.Backup = s.Backups != nil && s.Backups[i]
		l.members = append(l.members, &member{Node: n, age: i + 1})
	}
	l.set = l.snapshot()
	return l
}

// run logs when a node is not ready soon after the start, and waits for the end of ctx.
func (l *listed) run(ctx context.Context, _ context.CancelCauseFunc) {
	l.watchStatic(ctx)
	<-ctx.Done()
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

func (l *listed) resize(int) error              { return ErrStatic }
func (l *listed) restart(context.Context) error { return ErrStatic }

// drain takes a node out of service: it gets no new requests, and its old ones finish.
func (l *listed) drain(ctx context.Context, m *member) error {
	l.mark(m, node.Draining)
	ctx, cancel := l.stopContext(ctx, l.Service.Drain)
	defer cancel()
	return l.traffic.Drain(ctx, l.Name, m.ID)
}
