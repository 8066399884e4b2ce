package cache

import (
	"sync"
	"time"
)

// renewals remembers since when this process has known the last renewal of each node. A renewal happened before the
// process knew of it. So the lease of a node that has not renewed since ends, at the latest, one lease after that time.
// All times are those of this process: the clock of the store's server may be set.
type renewals struct {
	mu    sync.Mutex
	known map[string]knownRenewal // guarded by mu: by node
}

type knownRenewal struct {
	renewal string
	since   int64
}

// observe takes the store's list of nodes. now is a time after the arrival of the list.
func (r *renewals) observe(list memberList, now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := make(map[string]knownRenewal, len(list.renewals))
	for node, renewal := range list.renewals {
		k, ok := r.known[node]
		if !ok || k.renewal != renewal {
			k = knownRenewal{renewal, now}
		}
		known[node] = k
	}
	r.known = known
}

// rest returns how much longer one of these evicted nodes may serve. An evicted node cannot renew. The whole lease is
// left of a node that the process does not know.
func (r *renewals) rest(nodes []string, lease time.Duration, now int64) (rest time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, node := range nodes {
		since := now
		if k, ok := r.known[node]; ok {
			since = k.since
		}
		rest = max(rest, lease-time.Duration(now-since))
	}
	return rest
}
