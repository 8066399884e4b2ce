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

func (r remote) open(ctx context.Context) error {
	if err := ping(ctx, r.option); err != nil {
		return &UnreachableError{URL: redacted(r.address), Err: err}
	}
	return nil
}

func (remote) run(ctx context.Context) error { <-ctx.Done(); return nil }
func (r remote) url() string                 { return r.address }
func (r remote) describe() string            { return redacted(r.address) }

// UnreachableError says that a store does not answer.
type UnreachableError struct {
	URL string // without its password
	Err error
}

func (e *UnreachableError) Error() string { return fmt.Sprintf("reach store %s: %v", e.URL, e.Err) }
func (e *UnreachableError) Unwrap() error { return e.Err }

// Hint says what to look at.
func (e *UnreachableError) Hint() string {
	if strings.Contains(e.Err.Error(), "WRONGPASS") || strings.Contains(e.Err.Error(), "NOAUTH") {
		return "the server wants another password: redis://:PASSWORD@host:6379"
	}
	return "is the server running, and is the port right? store: auto starts a private server, store: none uses no store"
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
