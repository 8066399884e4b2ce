package cache

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// pendingInvalidation is the invalidation of one name that waits for acknowledgements.
type pendingInvalidation struct {
	object object
	id     string
	set    *newValue // the value to store, or nil
	stored bool      // set has been stored

	acked map[string]bool // guarded by ackTracker.mu: by node
}

// ackTracker collects the acknowledgements for the invalidations of this process.
type ackTracker struct {
	mu      sync.Mutex
	lastID  uint64
	byID    map[string]*pendingInvalidation
	changed chan struct{} // closed and replaced with each acknowledgement
}

// open registers invalidations.
func (t *ackTracker) open(objects []object) []*pendingInvalidation {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID == nil {
		t.byID, t.changed = map[string]*pendingInvalidation{}, make(chan struct{})
	}
	pending := make([]*pendingInvalidation, len(objects))
	for i, o := range objects {
		t.lastID++
		p := &pendingInvalidation{object: o, id: strconv.FormatUint(t.lastID, 36), acked: map[string]bool{}}
		pending[i], t.byID[p.id] = p, p
	}
	return pending
}

// close forgets invalidations.
func (t *ackTracker) close(pending []*pendingInvalidation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range pending {
		delete(t.byID, p.id)
	}
}

// receive takes an acknowledgement: "node id id ...".
func (t *ackTracker) receive(ack string) {
	words := strings.Fields(ack)
	if len(words) < 2 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range words[1:] {
		if p := t.byID[id]; p != nil {
			p.acked[words[0]] = true
		}
	}
	if t.changed != nil {
		close(t.changed)
		t.changed = make(chan struct{})
	}
}

// waive treats nodes whose lease has been waited out as if they had acknowledged.
func (t *ackTracker) waive(pending []*pendingInvalidation, nodes []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range pending {
		for _, node := range nodes {
			p.acked[node] = true
		}
	}
}

// acked reports whether a node has acknowledged all invalidations.
func (t *ackTracker) acked(pending []*pendingInvalidation, node string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !slices.ContainsFunc(pending, func(p *pendingInvalidation) bool { return !p.acked[node] })
}

// allAcked reports whether all nodes have acknowledged all invalidations.
func (t *ackTracker) allAcked(pending []*pendingInvalidation, nodes []string) bool {
	return !slices.ContainsFunc(nodes, func(node string) bool { return !t.acked(pending, node) })
}

// wait returns when all nodes have acknowledged, when d has passed, or when ctx ends. It reports whether they have.
func (t *ackTracker) wait(ctx context.Context, pending []*pendingInvalidation, nodes []string, d time.Duration) bool {
	timeout := time.After(d)
	for {
		t.mu.Lock()
		changed := t.changed
		t.mu.Unlock()
		if t.allAcked(pending, nodes) {
			return true
		}
		select {
		case <-changed:
		case <-timeout:
			return false
		case <-ctx.Done():
			return false
		}
	}
}
