package upstream

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/balance"
)

// queue holds the requests that wait for a place on a node, first come first served. A place that comes free is handed to
// the first in the queue directly: nobody can overtake, and nobody is woken for nothing.
type queue struct {
	waiting atomic.Int64 // len(line), readable without the lock
	mu      sync.Mutex
	line    list.List // of *waiter
}

type waiter struct {
	f      *flight
	handed chan *member // capacity 1; nil when there is no node left to wait for
}

// acquire claims a place on a node for f: at once if one is free, else after waiting in the queue.
func (p *Pool) acquire(ctx context.Context, f *flight) (*member, error) {
	if p.queue.waiting.Load() == 0 {
		m, err := p.pick(f)
		if m != nil || err != nil {
			return m, err
		}
	}
	return p.wait(ctx, f)
}

// pick claims a place without waiting. It returns nil and no error when all nodes are full, ErrNoNode when there are none.
func (p *Pool) pick(f *flight) (*member, error) {
	limit := int64(p.service.Limit.InFlight)
	f.view = p.view.Load()
	if len(f.view.members) == 0 {
		return nil, ErrNoNode
	}
	if m := p.pinned(f); m != nil && m.take(limit) {
		return p.claimed(f, m), nil
	}
	// A place can be lost to another request between the pick and the claim; a few rounds settle it.
	for range 4 {
		i := f.view.picker.Pick(balance.Request{Key: f.key, Now: sinceEpoch(), Skip: f})
		if i < 0 && len(f.tried) > 0 {
			f.tried = f.tried[:0] // every usable node was tried: better the same one again than none
			continue
		}
		if i < 0 {
			return nil, nil
		}
		if m := f.view.members[i]; m.take(limit) {
			return p.claimed(f, m), nil
		}
	}
	return nil, nil
}

func (p *Pool) claimed(f *flight, m *member) *member {
	p.inFlight.Add(1)
	f.tried = append(f.tried, m)
	return m
}

// release gives a request's place on m back, to the first in the queue if there is one.
func (p *Pool) release(m *member) {
	m.put()
	p.inFlight.Add(-1)
	if v := p.view.Load(); v.index != nil {
		if i, ok := v.index[m]; ok {
			v.picker.Released(i)
		}
	}
	if p.queue.waiting.Load() > 0 {
		p.dispatch()
	}
}

func (p *Pool) wait(ctx context.Context, f *flight) (*member, error) {
	q := &p.queue
	w := &waiter{f: f, handed: make(chan *member, 1)}
	q.mu.Lock()
	if q.line.Len() >= p.service.Limit.Queue {
		q.mu.Unlock()
		p.metrics.queueFull.Inc()
		return nil, ErrQueueFull
	}
	place := q.line.PushBack(w)
	q.waiting.Add(1)
	q.mu.Unlock()
	p.dispatch() // a place may have come free before we stood in line

	start := time.Now()
	patience := time.NewTimer(p.service.Limit.Wait)
	defer patience.Stop()
	var err error
	select {
	case m := <-w.handed:
		return p.served(f, m, start)
	case <-patience.C:
		err = ErrQueueTimeout
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	q.mu.Lock()
	select {
	case m := <-w.handed: // it was handed over in the same instant
		q.mu.Unlock()
		return p.served(f, m, start)
	default:
	}
	q.line.Remove(place)
	q.waiting.Add(-1)
	q.mu.Unlock()
	if err == ErrQueueTimeout {
		p.metrics.queueTimeout.Inc()
	}
	return nil, err
}

func (p *Pool) served(f *flight, m *member, start time.Time) (*member, error) {
	f.waited += time.Since(start)
	p.metrics.queueWait.Observe(time.Since(start).Seconds())
	if m == nil {
		return nil, ErrNoNode
	}
	return m, nil
}

// dispatch hands free places to those who wait, in their order.
func (p *Pool) dispatch() {
	q := &p.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	for place := q.line.Front(); place != nil; place = q.line.Front() {
		w := place.Value.(*waiter)
		m, err := p.pick(w.f)
		if m == nil && err == nil {
			return // all full
		}
		q.line.Remove(place)
		q.waiting.Add(-1)
		w.handed <- m
	}
}
