package cache

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// storedAcks begins the writer of a message whose acknowledgements go through the store, because the writer has no
// subscription that could receive them.
const storedAcks = "+"

// message announces an invalidation to all nodes.
type message struct {
	object object
	writer string // receives the acknowledgements: a node, or storedAcks and the ID of a process
	id     string // of the invalidation, unique to the process
}

func (m message) String() string {
	return string(m.object.kind) + "|" + m.writer + "|" + m.id + "|" + m.object.name
}

func parseMessage(text string) (m message, ok bool) {
	parts := strings.SplitN(text, "|", 4)
	if len(parts) != 4 || parts[0] != "k" && parts[0] != "t" {
		return m, false
	}
	return message{object: object{parts[0][0], parts[3]}, writer: parts[1], id: parts[2]}, true
}

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
