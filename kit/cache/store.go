package cache

import (
	"context"
	"time"

	"github.com/tenfold-go/tenfold/kit/position"
)

// store is level 2. Each call is atomic and safe for concurrent use. After an error the caller does not know whether
// the call took effect.
type store interface {
	// lookup reads a value that needs no refresh. entry.found is false if the store has no such value. It changes nothing.
	lookup(ctx context.Context, name string, early float64) (entry, error)
	// lookupMany is lookup for several names in one round trip.
	lookupMany(ctx context.Context, names []string, early float64) ([]entry, error)
	// acquire reads a key. If the key has no fresh value, it grants the one lease to fill it. The same token again gets
	// the same lease again.
	acquire(ctx context.Context, name string, r leaseRequest) (entry, error)
	// acquireMany is acquire for several names in one round trip.
	acquireMany(ctx context.Context, names []string, rs []leaseRequest) ([]entry, error)
	// fill stores a value that was loaded under a lease, or returns why it refuses the value.
	fill(ctx context.Context, name string, v newValue) (fillResult, error)
	// release ends a lease without a value. An older value is then served for backOff without a new lease.
	release(ctx context.Context, name, token string, backOff time.Duration) error
	// invalidate drops value and lease, raises the generation and publishes message. If set is not nil, and the
	// generation is still that of set, it stores the value of set under the new generation and returns true.
	invalidate(ctx context.Context, o object, at position.Position, message string, set *newValue) (bool, error)
	// tagVersions returns the generations of the tags of each list, and the latest position that a load has to reach.
	tagVersions(ctx context.Context, lists [][]string, maxLag time.Duration) ([]tagState, error)
	// reserve returns epoch and generation of a key and keeps them in the store for a while.
	reserve(ctx context.Context, name string) (epoch, generation string, err error)
	inspect(ctx context.Context, name string) (record, error)

	// join adds a node to the list of nodes that may serve from a level 1. join and members return the list. They
	// return a *SettingsError if the listed nodes have other settings.
	join(ctx context.Context, node string) (memberList, error)
	members(ctx context.Context) (memberList, error)
	renew(ctx context.Context, node string) (member bool, err error)
	// evict marks nodes that can only let their lease run out. remove deletes nodes from the list.
	evict(ctx context.Context, nodes ...string) error
	remove(ctx context.Context, nodes ...string) error

	publish(ctx context.Context, channel, message string) error
	// subscribe blocks until ctx ends or the connection breaks. It calls up when all channels are subscribed, and
	// message for each message in order. Both are called from one goroutine and must not block.
	subscribe(ctx context.Context, channels []string, up func(), message func(channel, text string)) error
	// storeAck keeps an acknowledgement for a writer that has no subscription; takeAcks returns and deletes those of a
	// writer.
	storeAck(ctx context.Context, writer, ack string) error
	takeAcks(ctx context.Context, writer string) ([]string, error)
}

// object is what an invalidation names.
type object struct {
	kind byte // 'k' key, 't' tag
	name string
}

// leaseRequest asks for a value or for the lease to fill it.
type leaseRequest struct {
	token  string
	reject string        // a value that was filled under this token is treated as missing
	lease  time.Duration // how long the lease excludes others
	early  float64       // refresh if less than early times the load's duration is left of TTL
	maxLag time.Duration // longest lag of the database's replicas; 0: no replicas
}

// entry is the store's answer to a lookup or a lease request.
type entry struct {
	granted    bool // the caller has the lease
	found      bool // the fields of the value are set
	epoch      string
	generation string
	needed     position.Position // what a load has to reach
	wait       time.Duration     // until the lease of another node ends

	token       string // of the load that the value comes from
	value       []byte
	notFound    bool
	tagVersions string        // generations of the tags when the value was loaded
	age         time.Duration // since the value was stored
	freshFor    time.Duration // until TTL has passed; negative: since then
	keepFor     time.Duration // until TTL and Stale have passed
}

// newValue is a value on its way into the store.
type newValue struct {
	token, epoch, generation string
	needed, at               position.Position
	value                    []byte
	notFound                 bool
	freshFor, keepFor        time.Duration
	loadTime                 time.Duration
	tagVersions              string
}

// fillResult is the outcome of a fill.
type fillResult string

const (
	fillStored        fillResult = "stored"
	refusedEpoch      fillResult = "epoch"      // the store was restarted, failed over or flushed
	refusedToken      fillResult = "token"      // invalidated, or the lease ended and another load has it
	refusedGeneration fillResult = "generation" // invalidated
	refusedPosition   fillResult = "position"   // read from a replica that lagged behind
)

// tagState is the state of the tags of one key.
type tagState struct {
	versions string
	needed   position.Position
}

// memberList is the list of nodes that may serve from a level 1.
type memberList struct {
	live map[string]bool // false: evicted, the node can only let its lease run out
	// renewals has the last renewal of each node. The text differs for each renewal of a node.
	renewals map[string]string
	// lease is the longest lease that a listed node may have.
	lease time.Duration
}

func newMemberList(lease time.Duration) memberList {
	return memberList{live: map[string]bool{}, renewals: map[string]string{}, lease: lease}
}

func (l *memberList) add(node, renewal string, live bool) {
	l.live[node], l.renewals[node] = live, renewal
}

// record is the state of a key in the store, for Inspect.
type record struct {
	epoch, current         string // of the entry and of the store; an entry of another epoch is ignored
	generation             string
	needed                 position.Position
	found, notFound        bool
	tagVersions            string
	size                   int
	age, freshFor, keepFor time.Duration
	leased, retrying       bool
}
