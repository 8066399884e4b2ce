package upstream

import (
	"context"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/balance"
)

// acquire takes a slot on a node for r: at once if there is a free one, else after r has waited in the queue. It fails
// with ErrNoNode, ErrQueueFull, ErrQueueTimeout or the cause of ctx.
func (p *Pool) acquire(ctx context.Context, r *request) (*member, error) {
	if p.queue.waiting.Load() == 0 {
		m, err := p.pick(r)
		if m != nil || err != nil {
			return m, err
		}
	}
	return p.wait(ctx, r)
}

// pick takes a slot without waiting. It returns nil and no error when no node has a free slot. It fails with ErrNoNode
// when no node is eligible.
func (p *Pool) pick(r *request) (*member, error) {
	r.view = p.view.Load()
	if len(r.view.members) == 0 {
		return nil, ErrNoNode
	}
	if m := preferred(r); m != nil && m.acquire(r.limit) {
		return p.acquired(r, m), nil
	}
	first, second := r.view.views(r)
	m := p.pickFrom(first, r)
	if m == nil && second != nil {
		m = p.pickFrom(second, r)
	}
	if m == nil && len(r.tried) > 0 {
		r.tried = r.tried[:0] // all nodes were tried: a second attempt on one of them is better than none
		m = p.pickFrom(first, r)
	}
	return m, nil
}

// pickFrom takes a slot on a node of a view. It returns nil when none has a free slot.
func (p *Pool) pickFrom(v *view, r *request) *member {
	r.view = v
	// Another request can take the slot between the pick and acquire. After four rounds without success r waits.
	for range 4 {
		i := v.picker.Pick(balance.Request{Key: r.key, Now: sinceEpoch(), Skip: r})
		if i < 0 {
			return nil
		}
		if m := v.members[i]; m.acquire(r.limit) {
			return p.acquired(r, m)
		}
	}
	return nil
}

// preferred returns the node that the exchange prefers, if it is eligible. Only the first attempt uses it.
func preferred(r *request) *member {
	if r.exchange.PreferredNode == "" || len(r.tried) > 0 {
		return nil
	}
	return r.view.byID(r.exchange.PreferredNode)
}

func (p *Pool) acquired(r *request, m *member) *member {
	p.inFlight.Add(1)
	r.tried = append(r.tried, m)
	return m
}

// wait waits in the queue for a slot.
func (p *Pool) wait(ctx context.Context, r *request) (*member, error) {
	w := p.queue.add(r, r.settings.service.Limit.Queue)
	if w == nil {
		p.metrics.queueFull.Inc()
		return nil, ErrQueueFull
	}
	p.dispatch() // a slot may have become free before the request was in the queue

	start := time.Now()
	timeout := time.NewTimer(r.settings.service.Limit.Wait)
	defer timeout.Stop()
	var err error
	select {
	case m := <-w.handed:
		return p.handedOver(r, m, start)
	case <-timeout.C:
		err = ErrQueueTimeout
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if !p.queue.remove(w) {
		return p.handedOver(r, <-w.handed, start)
	}
	if err == ErrQueueTimeout {
		p.metrics.queueTimeout.Inc()
	}
	return nil, err
}

// handedOver returns the node that the queue gave to r; nil means that no node was left.
func (p *Pool) handedOver(r *request, m *member, start time.Time) (*member, error) {
	waited := time.Since(start)
	r.exchange.Waited += waited
	p.metrics.queueWait.Observe(waited.Seconds())
	if m == nil {
		return nil, ErrNoNode
	}
	return m, nil
}

// release gives a slot on m back. The first request in the queue gets it.
func (p *Pool) release(m *member) {
	m.release()
	p.inFlight.Add(-1)
	p.view.Load().released(m)
	if p.queue.waiting.Load() > 0 {
		p.dispatch()
	}
}

// dispatch hands free slots to the requests in the queue. When no node is left, it ends their wait.
func (p *Pool) dispatch() {
	limit := int64(p.config().Limit.InFlight)
	p.queue.serve(func(r *request) (*member, bool) {
		r.limit = limit // it may have changed while the request waited
		m, err := p.pick(r)
		return m, m != nil || err != nil
	})
}
