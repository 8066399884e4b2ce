package cache

import (
	"fmt"
	"time"
)

// maxKeyBytes bounds a key's stored form.
const maxKeyBytes = 512

// KeyError is a key, or a tag, whose stored form is too long.
type KeyError struct{ Bytes int }

func (e *KeyError) Error() string {
	return fmt.Sprintf("use key of %d bytes: the limit is %d", e.Bytes, maxKeyBytes)
}

// Hint says what to do instead.
func (e *KeyError) Hint() string { return "store a hash of a long key: Options.Key" }

// UnconfirmedError is an invalidation that may not have reached the store or every node: stale values may be served, at most
// until their TTL and Stale are over. The write that it belongs to must not be acknowledged as visible. Try again, if need be
// from a record made in the write's own transaction: repeating an invalidation does no harm.
type UnconfirmedError struct {
	Names []string // stored forms of the keys, or tags, that are open
	After time.Duration
	Err   error
}

func (e *UnconfirmedError) Error() string {
	if len(e.Names) == 1 {
		return fmt.Sprintf("invalidate %q: not confirmed after %s: %v", e.Names[0], e.After.Round(time.Millisecond), e.Err)
	}
	return fmt.Sprintf("invalidate %d names: not confirmed after %s: %v", len(e.Names), e.After.Round(time.Millisecond), e.Err)
}

// Unwrap is the last thing that went wrong.
func (e *UnconfirmedError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *UnconfirmedError) Hint() string {
	return "is the store reachable? Call it again until it returns nil; until then the old value may be served"
}
