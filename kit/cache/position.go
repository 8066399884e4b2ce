package cache

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
)

// Position is a place in a database's log: a later one has seen all that an earlier one has. The cache only compares
// positions. The zero Position is "none": earlier than every other.
//
// On PostgreSQL, Offset is the log sequence number (pg_current_wal_insert_lsn on the primary after COMMIT,
// pg_last_wal_replay_lsn on a replica before the query) and Timeline the timeline's number.
type Position struct {
	Timeline uint64 // goes up when a replica takes over; a higher timeline is later than all of a lower one
	Offset   uint64
}

// Primary is later than every Position: what a loader is asked for when it has to read where writes are made, and what it
// returns as LoadedAt when it did.
var Primary = Position{math.MaxUint64, math.MaxUint64}

// Before tells whether p is earlier than q.
func (p Position) Before(q Position) bool {
	return cmp.Or(cmp.Compare(p.Timeline, q.Timeline), cmp.Compare(p.Offset, q.Offset)) < 0
}

// String is timeline/offset in hexadecimal, "none" or "primary".
func (p Position) String() string {
	switch p {
	case Position{}:
		return "none"
	case Primary:
		return "primary"
	}
	return fmt.Sprintf("%x/%x", p.Timeline, p.Offset)
}

func later(p, q Position) Position {
	if p.Before(q) {
		return q
	}
	return p
}

// encode makes text whose order is that of the positions: the scripts compare it as it stands.
func (p Position) encode() string {
	if p == (Position{}) {
		return ""
	}
	return fmt.Sprintf("%016x%016x", p.Timeline, p.Offset)
}

func decodePosition(s string) (p Position, err error) {
	if s == "" {
		return p, nil
	}
	if len(s) != 32 {
		return p, fmt.Errorf("read position %q: not 32 digits", s)
	}
	if p.Timeline, err = strconv.ParseUint(s[:16], 16, 64); err == nil {
		p.Offset, err = strconv.ParseUint(s[16:], 16, 64)
	}
	if err != nil {
		return p, fmt.Errorf("read position %q: %w", s, err)
	}
	return p, nil
}
