package cache

import (
	"context"
	"strings"
	"sync"
)

// ackQueue collects the acknowledgements of this node by writer, so that one message acknowledges many invalidations.
type ackQueue struct {
	mu     sync.Mutex
	texts  map[string]*strings.Builder // guarded by mu
	filled chan struct{}
}

func newAckQueue() *ackQueue {
	return &ackQueue{texts: map[string]*strings.Builder{}, filled: make(chan struct{}, 1)}
}

func (q *ackQueue) put(writer, node, id string) {
	q.mu.Lock()
	b := q.texts[writer]
	if b == nil {
		b = &strings.Builder{}
		b.WriteString(node)
		q.texts[writer] = b
	}
	b.WriteString(" " + id)
	q.mu.Unlock()
	select {
	case q.filled <- struct{}{}:
	default:
	}
}

func (q *ackQueue) take() map[string]*strings.Builder {
	q.mu.Lock()
	defer q.mu.Unlock()
	texts := q.texts
	q.texts = map[string]*strings.Builder{}
	return texts
}

// sendAcks sends the acknowledgements of the queue until ctx ends. A writer that misses one publishes the invalidation
// again.
func (c *Cache[K, V]) sendAcks(ctx context.Context, q *ackQueue) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.filled:
		}
		for writer, text := range q.take() {
			if err := c.sendAck(ctx, writer, text.String()); err != nil {
				c.stats.storeErrors.add()
			}
		}
	}
}

func (c *Cache[K, V]) sendAck(ctx context.Context, writer, ack string) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.Tuning.StoreTimeout)
	defer cancel()
	if id, stored := strings.CutPrefix(writer, storedAcks); stored {
		return c.store.storeAck(ctx, id, ack)
	}
	return c.store.publish(ctx, ackChannel(c.name, writer), ack)
}
