package cache

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotFound means that the key has no value. Loaders return it, and Get passes it on.
	ErrNotFound = errors.New("not found")
	// ErrOverloaded means that too many loads are running and waiting; see Options.MaxLoads.
	ErrOverloaded = errors.New("too many loads")
	// ErrBehind means that the loader returned a value from before the position that it had to reach, even when it was
	// told to read from the primary.
	ErrBehind = errors.New("loader read from before the last known write")
)

// maxKeyBytes limits the stored form of a key or a tag.
const maxKeyBytes = 512

// KeyError reports a key or a tag whose stored form is too long.
type KeyError struct{ Bytes int }

func (e *KeyError) Error() string {
	return fmt.Sprintf("key of %d bytes: the limit is %d; store a hash of long keys (Options.Key)", e.Bytes, maxKeyBytes)
}

// UnconfirmedError reports an invalidation that may not have reached the store or all nodes. Old values may be served
// until their TTL and Stale have passed. Do not acknowledge the write as visible. Call Invalidate again until it
// returns nil, for example from a record that the write's transaction has inserted. Repeating an invalidation does no
// harm.
type UnconfirmedError struct {
	Names []string // stored forms of the keys or tags
	After time.Duration
	Err   error // the last error
}

func (e *UnconfirmedError) Error() string {
	what := fmt.Sprintf("%d names", len(e.Names))
	if len(e.Names) == 1 {
		what = fmt.Sprintf("%q", e.Names[0])
	}
	return fmt.Sprintf("invalidate %s: not confirmed after %s, old values may be served: %v",
		what, e.After.Round(time.Millisecond), e.Err)
}

// Unwrap returns the last error.
func (e *UnconfirmedError) Unwrap() error { return e.Err }

// SettingsError reports that the nodes which serve a cache now have other settings than this process. Use the same
// settings everywhere, or change Options.Version together with them.
type SettingsError struct {
	Cache string // name and version
	Own   string // settings of this process
	Other string // settings of the nodes
}

func (e *SettingsError) Error() string {
	return fmt.Sprintf("cache %q: this process has the settings [%s], the running nodes have [%s]: "+
		"use the same settings on all nodes, or another Version", e.Cache, e.Own, e.Other)
}
