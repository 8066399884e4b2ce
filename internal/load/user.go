package load

import "time"

// user is a virtual user: a goroutine with a connection of its own, which makes one visit after another.
type user struct {
	run    *run
	tally  *tally
	turn   chan bool // in the line: true to lead, false to end
	caller caller
}

// caller is what a user does on a visit.
type caller interface {
	// visit makes the requests of one visit that should have begun at intended, counts each of them, and returns when the
	// last was over. cut says that the step ended before the visit did. free is when the user was free for the visit.
	visit(u *user, intended, free time.Duration) (done time.Duration, cut bool)
	// rehearse makes a visit of each kind, without its pauses, and counts each request.
	rehearse(u *user)
	close()
}

// comeAndGo is a user's life in open load: its visits begin when the line says so.
func (u *user) comeAndGo() {
	defer u.caller.close()
	for leads := true; ; leads = false {
		at, free, ok := u.run.line.next(u, leads)
		if !ok {
			return
		}
		u.visit(at, free)
	}
}

// stay is a user's life in closed load: the next visit begins when the last one is over.
func (u *user) stay() {
	defer u.caller.close()
	for now := u.run.now(); !u.run.isOver(); {
		now = u.visit(now, now)
	}
}

func (u *user) visit(at, free time.Duration) time.Duration {
	done, cut := u.caller.visit(u, at, free)
	u.tally.visit(at, done, cut)
	return done
}
