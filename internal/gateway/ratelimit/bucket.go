package ratelimit

import "time"

// bucket is what a gateway knows about one caller. Times are nanoseconds since the start of the gateway; 0 means not
// set.
//
// Each gateway counts the requests that it admits in tat. If gateways count together, a request also needs a token from
// the store, which counts for all of them. The gateway leases several tokens at a time and spends them without asking.
type bucket struct {
	tat       int64  // state of GCRA
	leaseEnd  int64  // end of the lease, which is also its ID
	notBefore int64  // the store has no token before this time
	tokens    uint32 // tokens of the lease that are left
	spent     uint32 // tokens of the lease that are spent
	wanted    uint32 // size of the lease in the last request to the store
}

// leaseTime is how long a gateway may spend leased tokens. If the caller comes again within the same time after that,
// the gateway returns the rest. Otherwise the store counts all tokens of the lease as spent.
const leaseTime = 5 * time.Second

// decision is the result of bucket.decide.
type decision int

const (
	admitted decision = iota
	refused
	undecided // only the store can decide
)

// decide counts a request if it admits it. If it refuses the request, it returns the time to wait. With alone, the
// gateway decides without the store.
func (b *bucket) decide(now int64, l limit, alone bool) (decision, time.Duration) {
	next, wait := l.decide(now, b.tat)
	switch {
	case wait > 0:
		return refused, wait
	case alone:
	case b.tokens > 0 && now < b.leaseEnd:
		b.tokens--
		b.spent++
	case now < b.notBefore:
		return refused, time.Duration(b.notBefore - now)
	default:
		return undecided, 0
	}
	b.tat = next
	return admitted, 0
}

// tokenRequest asks the store for tokens of one caller.
type tokenRequest struct {
	needed    int   // tokens for requests that wait, one each
	lease     int   // additional tokens to lease
	leaseID   int64 // ID of the new lease
	returning int64 // ID of the previous lease, which ends; 0 without one
	spent     int   // tokens of the previous lease that were spent; the others are returned
}

// tokenGrant is the answer of the store.
type tokenGrant struct {
	needed int           // tokens for requests that wait, to be used at once
	leased int           // tokens of the new lease
	wait   time.Duration // time after which the store has more tokens; 0: it has more now
}

// request ends the lease and returns the request for the next one. The new lease is twice the last size if the lease
// was spent before its end, and otherwise as large as what was spent.
func (b *bucket) request(now int64, needed int, maxLease uint32) tokenRequest {
	r := tokenRequest{needed: needed, returning: b.leaseEnd, spent: int(b.spent)}
	wanted := b.spent
	if now < b.leaseEnd {
		wanted = max(1, 2*b.wanted)
	}
	b.wanted = min(wanted, maxLease)
	b.leaseEnd = max(now+int64(leaseTime), b.leaseEnd+1) // IDs are unique, even if the clock does not advance
	b.tokens, b.spent = 0, 0
	r.lease, r.leaseID = int(b.wanted), b.leaseEnd
	return r
}

// accept records the answer of the store.
func (b *bucket) accept(now int64, r tokenRequest, g tokenGrant) {
	if b.leaseEnd == r.leaseID { // not if the table evicted the caller in the meantime
		b.tokens = uint32(g.leased)
	}
	if g.wait > 0 {
		b.notBefore = now + int64(g.wait)
	}
}
