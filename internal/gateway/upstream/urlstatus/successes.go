package urlstatus

import (
	"sync"
	"time"
)

// Successes remembers which nodes answered a URL well, for a number of recent URLs. With it a pool tells a node that
// fails from a URL that fails on every node. The zero value is ready to use, and safe for concurrent use.
type Successes struct {
	mu    sync.Mutex
	slots [256]success
}

// success has the last two nodes that answered a URL well. Two are enough to find another node than a given one.
type success struct {
	url  uint64
	node [2]uint64 // numbers from 1; 0 for none
	at   [2]time.Duration
}

// Add notes that a node answered the URL well.
func (a *Successes) Add(url, node uint64, now time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.slots[url%uint64(len(a.slots))]
	if s.url != url {
		*s = success{url: url}
	}
	i := 0
	if s.node[0] != node && (s.node[1] == node || s.at[1] < s.at[0]) {
		i = 1
	}
	s.node[i], s.at[i] = node, now
}

// ByAnother reports whether another node than the given one answered the URL well since the given time.
func (a *Successes) ByAnother(url, node uint64, since time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.slots[url%uint64(len(a.slots))]
	if s.url != url {
		return false
	}
	for i, n := range s.node {
		if n != 0 && n != node && s.at[i] >= since {
			return true
		}
	}
	return false
}
