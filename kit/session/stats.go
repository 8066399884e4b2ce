package session

import (
	"errors"
	"sync/atomic"
)

// Stats are the numbers of operations on the store in this process. An operation that failed counts only as
// Unavailable.
type Stats struct {
	Loads       uint64 // sessions that were read
	Created     uint64 // sessions that were stored for the first time, logins included
	Saves       uint64 // writes to a stored session
	Renewals    uint64 // tokens that Login or Renew replaced
	Ended       uint64 // calls of End
	Revoked     uint64 // calls of RevokeUser
	Unavailable uint64 // operations that failed with ErrUnavailable
}

// Stats returns the current numbers.
func (all *Sessions) Stats() Stats {
	n := &all.n
	return Stats{
		Loads: n.loads.Load(), Created: n.created.Load(), Saves: n.saves.Load(), Renewals: n.renewals.Load(),
		Ended: n.ended.Load(), Revoked: n.revoked.Load(), Unavailable: n.unavailable.Load(),
	}
}

type counters struct{ loads, created, saves, renewals, ended, revoked, unavailable atomic.Uint64 }

// count counts an operation by its error, which it returns.
func (all *Sessions) count(done *atomic.Uint64, err error) error {
	switch {
	case err == nil:
		done.Add(1)
	case errors.Is(err, ErrUnavailable):
		all.n.unavailable.Add(1)
	}
	return err
}
