// Package affinity finds services that are not ready for several nodes: those that keep the sessions of their visitors
// in the memory of one node.
//
// Such a service gives a visitor a session cookie. When the next request of the visitor reaches another node, that node
// does not know the value, and sets the cookie again with another value. So the value changes again and again: each
// time that the node changes, and not while the node stays the same. The second half matters: many frameworks set a new
// value with each response, on whatever node, and that is fine.
//
// A [Watch] compares both halves (evidence). It remembers hashes of values with a random seed, never the values, in a
// table of fixed size. It may miss visitors, for example when two of them share a place in the table.
package affinity

import (
	"hash/maphash"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

const (
	places    = 4096 // of the table, a power of two; 64 KiB
	maxNames  = 8    // cookies of one service that are watched
	maxNodes  = 1024 // nodes that the table tells apart; then it begins again
	minValue  = 8    // a shorter value is no session
	maxName   = 128
	forgetAt  = 10_000 // requests after which older evidence counts half
	manyKept  = 30     // after so many requests that kept a value, its nodes know it, and it was lost for another reason
	tryIssuer = 5      // strong signs after which visitors are sent to the node that gave them their value
)

// Page is the page of the documentation that says what to do.
const Page = "docs/two-nodes.md"

// Found says that a service is not ready for several nodes.
type Found struct {
	Cookie string // its name
	Since  time.Time
}

// Watch watches the session cookies of one service.
type Watch struct {
	onFound func(Found)
	seed    maphash.Seed
	found   atomic.Pointer[Found]
	active  atomic.Bool // a cookie was set: there is something to look up

	mu      sync.Mutex
	version int
	names   []*name
	table   []place
	nodes   []string // their index is in the table
}

// name is a cookie that the service sets.
type name struct {
	name string
	evidence
}

// place is the record of one value of a cookie.
type place struct {
	value  uint64 // hash of the name and the value; 0 for an empty place
	node   uint16 // the node that set the value, as an index of Watch.nodes
	change uint8  // how often the value of this visitor has changed together with the node
	kept   uint8  // requests with the value that other nodes have answered without a new one
}

// New returns a Watch. It calls onFound once, when the service is not ready for several nodes.
func New(onFound func(Found)) *Watch { return &Watch{onFound: onFound, seed: maphash.MakeSeed()} }

// Found returns what was found, or nil.
func (w *Watch) Found() *Found { return w.found.Load() }

// Version says which version of the service runs. A later version than the one before begins without what was found.
func (w *Watch) Version(version int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if version <= w.version {
		return
	}
	if w.version > 0 {
		w.active.Store(false)
		w.table, w.names, w.nodes = nil, nil, nil
		w.found.Store(nil)
	}
	w.version = version
}

// Transport returns a transport that watches the requests and responses of next, which sends them to the nodes.
func (w *Watch) Transport(next http.RoundTripper) http.RoundTripper { return &transport{w, next} }

type transport struct {
	watch *Watch
	next  http.RoundTripper
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	w := t.watch
	if w.found.Load() != nil {
		return t.next.RoundTrip(req)
	}
	x := exchange.FromContext(req.Context())
	if x != nil && x.PreferredNode == "" && w.active.Load() && len(req.Header["Cookie"]) > 0 {
		x.PreferredNode = w.issuer(req)
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil || x == nil || x.Node == "" {
		return resp, err
	}
	if set := resp.Header["Set-Cookie"]; len(set) > 0 || w.active.Load() && len(req.Header["Cookie"]) > 0 {
		w.observe(req.Header["Cookie"], set, x.Node)
	}
	return resp, nil
}

// observe compares the cookies of a request with those that the response sets.
func (w *Watch) observe(sent, set []string, node string) {
	if !w.mu.TryLock() {
		return // another request is being observed: one of both is enough
	}
	defer w.mu.Unlock()
	if w.found.Load() != nil {
		return
	}
	fresh := w.parseSet(set)
	here := w.nodeIndex(node)
	for i, n := range w.names {
		if w.observeName(n, valueOf(sent, n.name), fresh[i], here); n.conclusive() {
			w.conclude(n)
			return
		}
	}
}

// observeName looks at one cookie: the value that the client sent and the one that the node set, "" for none.
func (w *Watch) observeName(n *name, sent, set string, here uint16) {
	old := w.lookUp(n, sent)
	renewed := set != "" && set != sent
	if renewed {
		key := w.hash(n, set)
		if w.table[key%places].value == key {
			renewed = false // several visitors have this value, or the service goes back to an older one: it is no session
		} else {
			change := uint8(0)
			if old != nil && old.node != here && old.kept < manyKept {
				change = min(old.change+1, 100)
			}
			w.table[key%places] = place{value: key, node: here, change: change}
		}
	}
	if old == nil {
		return
	}
	n.count(old.node == here, renewed, old.change > 0 && old.kept < manyKept)
	if !renewed && old.node != here {
		old.kept = min(old.kept+1, manyKept)
		w.table[old.value%places] = *old
	}
}

// conclude reports that the service is not ready. The lock is held.
func (w *Watch) conclude(n *name) {
	f := &Found{n.name, time.Now()}
	if w.found.CompareAndSwap(nil, f) {
		w.onFound(*f)
		w.table, w.names, w.nodes = nil, nil, nil
	}
}

// issuer returns the node that has set the session cookie of a request, when only its answer is missing for a conclusion:
// whether it sets the cookie again, too. Otherwise it returns "".
func (w *Watch) issuer(req *http.Request) string {
	if !w.mu.TryLock() {
		return ""
	}
	defer w.mu.Unlock()
	for _, n := range w.names {
		if n.suspicious() {
			if old := w.lookUp(n, valueOf(req.Header["Cookie"], n.name)); old != nil {
				return w.nodes[old.node]
			}
		}
	}
	return ""
}

// parseSet returns the values of the watched cookies in Set-Cookie fields. It begins to watch cookies that it sees for the
// first time. The lock is held.
func (w *Watch) parseSet(fields []string) (values [maxNames]string) {
	for _, field := range fields {
		cookieName, _, ok := strings.Cut(field, "=")
		if cookieName = strings.TrimSpace(cookieName); !ok || cookieName == "" || len(cookieName) > maxName {
			continue
		}
		c, err := http.ParseSetCookie(field)
		if err != nil || len(c.Value) < minValue || c.MaxAge < 0 || !c.Expires.IsZero() && c.Expires.Before(time.Now()) {
			continue
		}
		if i := w.watched(c.Name); i >= 0 {
			values[i] = c.Value
		}
	}
	return values
}

// watched returns the index of a cookie, which is watched from now on; -1 when there are too many.
func (w *Watch) watched(cookie string) int {
	for i, n := range w.names {
		if n.name == cookie {
			return i
		}
	}
	if len(w.names) == maxNames {
		return -1
	}
	if w.table == nil {
		w.table = make([]place, places)
	}
	w.names = append(w.names, &name{name: cookie})
	w.active.Store(true)
	return len(w.names) - 1
}

// lookUp returns the record of a value, or nil. The lock is held.
func (w *Watch) lookUp(n *name, value string) *place {
	if len(value) < minValue {
		return nil
	}
	key := w.hash(n, value)
	if p := w.table[key%places]; p.value == key {
		return &p
	}
	return nil
}

func (w *Watch) hash(n *name, value string) uint64 {
	var h maphash.Hash
	h.SetSeed(w.seed)
	h.WriteString(n.name)
	h.WriteByte('=')
	h.WriteString(value)
	return max(1, h.Sum64())
}

// nodeIndex returns the index of a node. The lock is held.
func (w *Watch) nodeIndex(id string) uint16 {
	for i, known := range w.nodes {
		if known == id {
			return uint16(i)
		}
	}
	if len(w.nodes) == maxNodes {
		w.nodes = w.nodes[:0]
		clear(w.table)
	}
	w.nodes = append(w.nodes, id)
	return uint16(len(w.nodes) - 1)
}

// valueOf returns the value of a cookie in Cookie fields, or "". Of several ones, it is the first.
func valueOf(fields []string, cookie string) string {
	for _, field := range fields {
		for pair := range strings.SplitSeq(field, ";") {
			if n, value, ok := strings.Cut(strings.TrimSpace(pair), "="); ok && n == cookie {
				return strings.Trim(value, `"`)
			}
		}
	}
	return ""
}
