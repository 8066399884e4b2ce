// Package position describes places in a database's log and carries them in contexts.
//
// A position answers one question: has this replica already seen that write? A cache, a database and the code between
// them need it, but they need not know each other:
//
//   - A loader that reads from a replica asks [Needed] how far the replica must have replayed. It calls [Report] with
//     the position at which it did read.
//   - Code that has committed a transaction puts the position of the commit into the context with [WithCommitted],
//     before it invalidates cached values.
//
// A program whose database has no replicas never sees a position.
package position

import (
	"cmp"
	"fmt"
	"math"
)

// Position is a place in a database's log. A later position has seen everything that an earlier one has seen. The zero
// Position means "none": it is earlier than every other position.
//
// On PostgreSQL, Offset is the log sequence number: pg_current_wal_insert_lsn() on the primary after COMMIT, or
// pg_last_wal_replay_lsn() on a replica before the query. Timeline is the number of the timeline.
type Position struct {
	Timeline uint64 // rises when a replica takes over; every position of a higher timeline is later
	Offset   uint64
}

// Primary is later than every other Position. A loader that needs it must read from the primary. A loader that did read
// from the primary may report it.
var Primary = Position{math.MaxUint64, math.MaxUint64}

// Before reports whether p is earlier than q.
func (p Position) Before(q Position) bool {
	return cmp.Or(cmp.Compare(p.Timeline, q.Timeline), cmp.Compare(p.Offset, q.Offset)) < 0
}

// String returns "none", "primary" or timeline/offset in hexadecimal.
func (p Position) String() string {
	switch p {
	case Position{}:
		return "none"
	case Primary:
		return "primary"
	}
	return fmt.Sprintf("%x/%x", p.Timeline, p.Offset)
}

// Later returns the later one of two positions.
func Later(p, q Position) Position {
	if p.Before(q) {
		return q
	}
	return p
}
