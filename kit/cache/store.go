package cache

import (
	"context"
	"time"
)

// store is the second level. Each call is atomic and safe for concurrent use; an error means that it is not known whether it
// took effect.
type store interface {
	// look reads a value as acquire would; ok is false where none is there or it is due for a refresh. It changes nothing.
	look(ctx context.Context, name string, early float64) (a answer, ok bool, err error)
	// acquire looks a key up and, where nothing fresh is there, hands out the one lease to fill it. The same token again
	// gives the same lease again.
	acquire(ctx context.Context, name string, q question) (answer, error)
	// fill stores what was loaded under a lease, or says what came between.
	fill(ctx context.Context, name string, f filling) (verdict, error)
	// release gives a lease back without a value. While backOff runs, a value that is there is served without a new lease.
	release(ctx context.Context, name, token string, backOff time.Duration) error
	// invalidate drops value and lease, raises the generation, and publishes message.
	invalidate(ctx context.Context, o object, at Position, message string) error
	// stamps reads the generations of tags, as one string, and the highest position that a load has to reach.
	stamps(ctx context.Context, tags []string, maxLag time.Duration) (string, Position, error)
	inspect(ctx context.Context, name string) (record, error)

	// join and members list the nodes that may serve from a first level; false: expelled, it can only let its lease run out.
	// Where the store has lost the list, an expelled node whose name begins with ~ stands for all that were on it.
	join(ctx context.Context, node string) (map[string]bool, error)
	members(ctx context.Context) (map[string]bool, error)
	renew(ctx context.Context, node string) (member bool, err error)
	expel(ctx context.Context, nodes ...string) error
	remove(ctx context.Context, nodes ...string) error

	publish(ctx context.Context, channel, message string) error
	// subscribe blocks until ctx ends or the connection breaks. up is called when all channels are subscribed, message for
	// each message in order, both from one goroutine and not to be blocked.
	subscribe(ctx context.Context, channels []string, up func(), message func(channel, text string)) error
}

// object is what an invalidation names.
type object struct {
	kind byte // 'k' key, 't' tag
	name string
}

type question struct {
	token  string
	reject string        // a value filled by this token does not count
	lease  time.Duration // how long the lease holds against others
	early  float64       // refresh when less than early times the load's duration is left
	maxLag time.Duration // how far the database's replicas lag at most; 0: there are none
}

type answer struct {
	granted bool // the lease is ours
	found   bool // value, by, negative, tags, age, soft, hard are set
	epoch   string
	gen     string
	need    Position      // what a load has to reach
	wait    time.Duration // until the other's lease runs out

	by              string // token of the fill
	value           []byte
	negative        bool
	tags            string // generations of the tags at the time of the fill
	age, soft, hard time.Duration
}

type filling struct {
	token, epoch, gen string
	need, at          Position
	value             []byte
	negative          bool
	soft, hard, took  time.Duration
	tags              string
}

// verdict is what became of a fill.
type verdict string

const (
	stored          verdict = "stored"
	refusedEpoch    verdict = "epoch"      // another life of the store: restarted, failed over, flushed
	refusedToken    verdict = "token"      // invalidated meanwhile, or the lease ran out and another has it
	refusedGen      verdict = "generation" // the same, seen by the generation
	refusedPosition verdict = "position"   // read from a replica that had not got there
)

// record is an entry as it stands in the store.
type record struct {
	epoch, current   string // the entry's and the store's; an entry of another epoch is dead
	gen              string
	pos              Position
	found, negative  bool
	by, tags         string
	size             int
	age, soft, hard  time.Duration
	leased, retrying bool
}
