package process

import (
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	memoryLook  = time.Second // between two looks at the memory of all nodes
	memoryLooks = 2           // looks in a row that find a node above its limit
)

// memoryWatch compares what nodes use with their limits.
type memoryWatch struct {
	measure func(groups map[int]int64) error // sets what each process group uses, in bytes

	unsupported sync.Once // logs

	mu      sync.Mutex
	watched map[*instance]*watched
	running bool
	changed chan struct{} // capacity 1: a node has ended
}

// watched is a node with a memory limit.
type watched struct {
	limit    int64
	over     int // looks in a row that were above
	exceeded chan struct{}
}

func newMemoryWatch() memoryWatch {
	return memoryWatch{measure: groupMemory, watched: map[*instance]*watched{}, changed: make(chan struct{}, 1)}
}

// watch returns a channel that is closed when a node uses more than limit. It calls start with a function that works as
// long as there are nodes to watch.
func (m *memoryWatch) watch(i *instance, limit int64, start func(run func())) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := &watched{limit: limit, exceeded: make(chan struct{})}
	m.watched[i] = w
	if !m.running {
		m.running = true
		start(m.run)
	}
	return w.exceeded
}

// forget ends the watch of a node.
func (m *memoryWatch) forget(i *instance) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.watched[i] == nil {
		return
	}
	delete(m.watched, i)
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// run looks at the nodes until none is left.
func (m *memoryWatch) run() {
	tick := time.NewTicker(memoryLook)
	defer tick.Stop()
	for m.goesOn() {
		select {
		case <-tick.C:
			m.look()
		case <-m.changed:
		}
	}
}

func (m *memoryWatch) goesOn() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = len(m.watched) > 0
	return m.running
}

// look measures all nodes.
func (m *memoryWatch) look() {
	m.mu.Lock()
	nodes := slices.Collect(maps.Keys(m.watched))
	m.mu.Unlock()
	used := map[*instance]int64{}
	groups := map[int]int64{}
	for _, i := range nodes {
		if n, ok := i.driver.cgroupMemory(i.id); ok {
			used[i] = n
		} else {
			groups[i.pid] = 0
		}
	}
	if len(groups) > 0 && m.measure(groups) != nil {
		return // /proc cannot be read now
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, w := range m.watched {
		if n, ok := used[i]; ok && n <= w.limit || !ok && groups[i.pid] <= w.limit {
			w.over = 0
			continue
		}
		if w.over++; w.over == memoryLooks {
			close(w.exceeded)
			delete(m.watched, i)
		}
	}
}
