package upstream

import (
	"container/list"
	"sync"
	"sync/atomic"
)

// queue has the requests that wait for a slot on a node, in the order of their arrival.
type queue struct {
	waiting atomic.Int64 // the length of line, readable without the lock
	mu      sync.Mutex
	line    list.List // of *waiter
}

type waiter struct {
	request *request
	handed  chan *member // capacity 1: gets the node of the slot, or nil when no node is left
	place   *list.Element
}

// add appends a waiter. It returns nil when limit requests wait already.
func (q *queue) add(r *request, limit int) *waiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.line.Len() >= limit {
		return nil
	}
	w := &waiter{request: r, handed: make(chan *member, 1)}
	w.place = q.line.PushBack(w)
	q.waiting.Add(1)
	return w
}

// remove takes a waiter out of the queue. It returns false when the waiter has left the queue before: then a node, or
// nil, is in w.handed.
func (q *queue) remove(w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(w.handed) > 0 {
		return false
	}
	q.line.Remove(w.place)
	q.waiting.Add(-1)
	return true
}

// serve hands nodes to the waiters, in their order, until acquire returns false. It hands a node directly to the first
// waiter, so that no other request can take the slot first.
func (q *queue) serve(acquire func(*request) (*member, bool)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for place := q.line.Front(); place != nil; place = q.line.Front() {
		w := place.Value.(*waiter)
		m, ok := acquire(w.request)
		if !ok {
			return
		}
		q.line.Remove(place)
		q.waiting.Add(-1)
		w.handed <- m
	}
}
