package position

import (
	"context"
	"sync"
)

type (
	committedKey struct{}
	readKey      struct{}
)

// WithCommitted returns a context that carries the position of a commit. If ctx already carries a later one, the later
// one stays.
func WithCommitted(ctx context.Context, p Position) context.Context {
	return context.WithValue(ctx, committedKey{}, Later(Committed(ctx), p))
}

// Committed returns the position of WithCommitted, or the zero Position without one.
func Committed(ctx context.Context) Position {
	p, _ := ctx.Value(committedKey{}).(Position)
	return p
}

// Read is one read for which a caller demands a position and wants to know the position that was reached.
type Read struct {
	needed Position

	mu       sync.Mutex
	reported bool
	at       Position // guarded by mu: the earliest report
}

// WithRead returns a context for one read, and the Read that receives its reports. The read must reach needed.
func WithRead(ctx context.Context, needed Position) (context.Context, *Read) {
	r := &Read{needed: needed}
	return context.WithValue(ctx, readKey{}, r), r
}

// At returns the earliest position that was reported, or the zero Position if none was. A value that comes from several
// queries is only as new as the oldest of them.
func (r *Read) At() Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

// Needed returns the position that the read of ctx must reach. The zero Position allows any replica; Primary allows
// only the primary.
func Needed(ctx context.Context) Position {
	if r, ok := ctx.Value(readKey{}).(*Read); ok {
		return r.needed
	}
	return Position{}
}

// Report says at which position a query of ctx's read took place. A query on the primary reports Primary. Report does
// nothing if ctx carries no read.
func Report(ctx context.Context, at Position) {
	r, ok := ctx.Value(readKey{}).(*Read)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.reported || at.Before(r.at) {
		r.reported, r.at = true, at
	}
}
