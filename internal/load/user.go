package load

import (
	"context"
	"time"
)

// user is a virtual user: a goroutine that makes one visit after another, over its own connection where the caller has
// one.
type user struct {
	run    *run
	tally  *tally
	wake   chan bool // from the dispatcher: true: be the leader; false: end
	caller caller
}

// visitSource is what the visits of a generator consist of.
type visitSource struct {
	url       URL
	newCaller func(seed uint64, number int) caller // for the user with that number
	meanPause time.Duration                        // of a visit, in total
	stepNames []string                             // of the journey
}

// caller makes the visits of one user.
type caller interface {
	// visit makes the requests of one visit and counts each of them. The visit should have begun at scheduled; free is
	// when the user was free for it. Its requests end with ctx.
	visit(ctx context.Context, u *user, scheduled, free time.Duration) visitEnd
	// tryVisits makes one visit of each kind, without pauses, and counts each request.
	tryVisits(ctx context.Context, u *user)
	close()
}

// visitEnd is how a visit ended.
type visitEnd struct {
	at      time.Duration
	aborted bool // the run ended before the visit did
	refused bool // the last request failed without a wait for its response
}
