package ratelimit

import "time"

// account is what a gateway knows of one caller. Times are nanoseconds since the gateway's start, zero for none.
//
// Each gateway counts what it admits itself, in tat. In a fleet that is not enough: a request also needs a token of the
// store, which counts for all gateways. Tokens are leased some at a time and spent without asking.
type account struct {
	tat    int64  // GCRA's state
	until  int64  // the lease ends; it is also the lease's name
	next   int64  // the store has said that there is nothing before
	tokens uint32 // of the lease that are left
	spent  uint32 // of the lease
	want   uint32 // how large a lease was asked for the last time
}

// leaseTime is how long a gateway may spend what it has leased. What is left then is given back when the caller comes
// again within the same time; else the store counts it as spent.
const leaseTime = 5 * time.Second

type verdict int

const (
	admitted verdict = iota
	refused
	unknown // only the store can tell
)

// decide counts a request that it admits. For one that is refused it says after which time to come again. alone is whether
// the store has no part in it.
func (a *account) decide(now int64, l limit, alone bool) (verdict, time.Duration) {
	next, wait := l.decide(now, a.tat)
	switch {
	case wait > 0:
		return refused, wait
	case alone:
	case a.tokens > 0 && now < a.until:
		a.tokens--
		a.spent++
	case now < a.next:
		return refused, time.Duration(a.next - now)
	default:
		return unknown, 0
	}
	a.tat = next
	return admitted, 0
}

// question is what a gateway asks the store for one caller.
type question struct {
	need    int   // requests that wait for a token each
	extra   int   // tokens to lease beside them
	lease   int64 // the name of the lease that this makes
	closing int64 // the name of the one before; 0 for none
	spent   int   // what was spent of that one: the rest is given back
}

// answer is what the store gives.
type answer struct {
	need  int           // tokens for those that wait, to be used at once
	extra int           // tokens leased
	wait  time.Duration // after which the store has more; 0: it has more now
}

// ask ends the lease and says what to ask for: twice as much when it did not last, else as much as was spent of it.
func (a *account) ask(now int64, need int, largest uint32) question {
	q := question{need: need, closing: a.until, spent: int(a.spent)}
	want := a.spent
	if now < a.until {
		want = max(1, 2*a.want)
	}
	a.want = min(want, largest)
	a.until = max(now+int64(leaseTime), a.until+1) // no two have one name, however coarse the clock
	a.tokens, a.spent = 0, 0
	q.extra, q.lease = int(a.want), a.until
	return q
}

// take notes what the store answered.
func (a *account) take(now int64, q question, got answer) {
	if a.until == q.lease { // else the caller was forgotten meanwhile
		a.tokens = uint32(got.extra)
	}
	if got.wait > 0 {
		a.next = now + int64(got.wait)
	}
}
