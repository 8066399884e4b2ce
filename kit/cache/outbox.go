package cache

import (
	"strings"
	"sync"
)

// outbox collects answers by writer, so that many invalidations are answered by one message.
type outbox struct {
	mu     sync.Mutex
	texts  map[string]*strings.Builder // guarded by mu
	filled chan struct{}
}

func newOutbox() *outbox {
	return &outbox{texts: map[string]*strings.Builder{}, filled: make(chan struct{}, 1)}
}

func (o *outbox) put(writer, node, id string) {
	o.mu.Lock()
	b := o.texts[writer]
	if b == nil {
		b = &strings.Builder{}
		b.WriteString(node)
		o.texts[writer] = b
	}
	b.WriteString(" " + id)
	o.mu.Unlock()
	select {
	case o.filled <- struct{}{}:
	default:
	}
}

func (o *outbox) take() map[string]*strings.Builder {
	o.mu.Lock()
	defer o.mu.Unlock()
	texts := o.texts
	o.texts = map[string]*strings.Builder{}
	return texts
}
