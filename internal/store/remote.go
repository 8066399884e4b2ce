package store

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/redis/rueidis"
)

// remote is a server that tenfold does not start.
type remote struct {
	address string
	option  rueidis.ClientOption
}

// open fails with a [*RefusedError] when the server refuses this client, and with an unreachableError when it does not
// answer.
func (r remote) open(ctx context.Context) error {
	err := ping(ctx, r.option)
	switch {
	case err == nil:
		return nil
	case isRefusal(err):
		return &RefusedError{URL: redacted(r.address), Err: err}
	}
	return &unreachableError{err}
}

func (remote) run(ctx context.Context) error { <-ctx.Done(); return nil }
func (r remote) url() string                 { return r.address }
func (r remote) describe() string            { return redacted(r.address) }

// unreachableError says that a store does not answer, or not yet.
type unreachableError struct{ err error }

func (e *unreachableError) Error() string { return e.err.Error() }
func (e *unreachableError) Unwrap() error { return e.err }

// RefusedError says that a store answers, but refuses this client.
type RefusedError struct {
	URL string // without its password
	Err error
}

func (e *RefusedError) Error() string { return fmt.Sprintf("use store %s: %v", e.URL, e.Err) }
func (e *RefusedError) Unwrap() error { return e.Err }

// Hint says what to look at.
func (e *RefusedError) Hint() string {
	if strings.Contains(e.Err.Error(), "WRONGPASS") || strings.Contains(e.Err.Error(), "NOAUTH") {
		return "the server wants another password: redis://:PASSWORD@host:6379"
	}
	return "is that a Redis or Valkey server, with this database and these rights? store: auto starts a private server"
}

// redacted replaces the user and the password of a URL.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(malformed)"
	}
	if u.User == nil {
		return u.Redacted()
	}
	u.User = url.User("***")
	return strings.Replace(u.String(), "%2A%2A%2A", "***", 1)
}
