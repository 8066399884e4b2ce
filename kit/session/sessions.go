// Package session keeps HTTP sessions in Redis or Valkey, so that any node can answer any request, and a session that
// was ended stays ended.
//
// Start with [New], wrap a handler in [Sessions.Middleware], and declare the fields of a session with [NewField].
// Inside a handler, [From] returns the [Session]. Shopping carts are in package cart.
//
// Guarantees, also with many nodes and with concurrent requests of one session:
//
//   - Fields are written one by one, so requests that change different fields do not overwrite each other. [Field.Update]
//     changes one field atomically.
//   - A write needs an existing session. After [Session.End] or [Sessions.RevokeUser], a request in flight cannot restore the
//     session.
//   - [Session.Login] replaces the token. The old token gives no access to data of the login.
//   - If the store does not respond, the visitor gets an error, by default a 503. A visitor never seems to be logged out.
//
// Only a SHA-256 of each token is stored. Times are those of the store (Redis TIME and its expiry), so nodes with wrong
// clocks agree. Each script uses keys of one hash tag, so everything works on Redis Cluster. The package needs Redis
// 6.2 or newer with maxmemory-policy noeviction. The client must not send reads to replicas, because a replica may not
// know of a logout yet.
//
// # Panics
//
//	NewField      the name is invalid. Fields are package variables, so the program does not start.
//	From          the request did not come through Middleware
//	Field methods the Field was not made by NewField
//
// No other function or method panics. [Sessions.Open] never fails: a token that opens no session opens a new one.
package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redisscript"
)

// Options configure Sessions. A zero field means its default.
type Options struct {
	// Idle is the time without a request that uses the session, after which the session ends. Default 30m, at least 1s.
	Idle time.Duration
	// Absolute is the time after which a session ends in any case, counted from its creation or its last Login. Default
	// 24h, at least 1s.
	Absolute time.Duration
	// Grace is the time for which a token that Login or Renew replaced can still read. It shows the session as it was
	// before, to the requests that were in flight. Default 5s; negative for none.
	Grace time.Duration
	// Timeout limits one operation on the store, retries included. Default 1s.
	Timeout time.Duration

	MaxFields int // fields of one session; default 64
	MaxBytes  int // bytes of all names and JSON values of one session; default 65,536

	// Cookie is the name of the cookie without its prefix. Default "session", so that the browser gets
	// "__Host-session".
	Cookie string
	// Insecure is for plain HTTP on localhost: the cookie has neither the attribute Secure nor the prefix "__Host-". Do
	// not use it on a network that others can listen on.
	Insecure bool
	// SameSite is an attribute of the cookie. Default http.SameSiteLaxMode.
	SameSite http.SameSite
	// Persistent makes the browser keep the cookie when it is closed, for at most Absolute.
	Persistent bool

	// OnError responds to a request whose session could not be read or saved, in place of the handler. Default:
	// [ServeError].
	OnError func(w http.ResponseWriter, r *http.Request, err error)

	// Prefix begins every key in the store. It must not contain braces. Default "tenfold:".
	Prefix string
}

// Sessions are the sessions of one service. They are safe for concurrent use.
type Sessions struct {
	client rueidis.Client
	o      Options
	n      counters
}

// New returns the sessions that client stores. The caller closes client. New does no I/O. If o is nil, all options have
// their defaults. New fails if client is nil or reads from replicas, or if an option is invalid.
func New(client rueidis.Client, o *Options) (*Sessions, error) {
	all := &Sessions{client: client}
	if o != nil {
		all.o = *o
	}
	all.o.setDefaults()
	if client == nil {
		return nil, errors.New("open sessions: no redis client")
	}
	if err := redisscript.CheckClient(client); err != nil {
		return nil, fmt.Errorf("open sessions: %w", err)
	}
	if err := all.o.check(); err != nil {
		return nil, fmt.Errorf("open sessions: %w", err)
	}
	return all, nil
}

func (o *Options) setDefaults() {
	setDefault(&o.Idle, 30*time.Minute)
	setDefault(&o.Absolute, 24*time.Hour)
	setDefault(&o.Grace, 5*time.Second)
	setDefault(&o.Timeout, time.Second)
	setDefault(&o.MaxFields, 64)
	setDefault(&o.MaxBytes, 64<<10)
	setDefault(&o.Cookie, "session")
	setDefault(&o.SameSite, http.SameSiteLaxMode)
	setDefault(&o.Prefix, "tenfold:")
	if o.OnError == nil {
		o.OnError = ServeError
	}
}

func setDefault[T comparable](field *T, value T) {
	if *field == *new(T) {
		*field = value
	}
}

func (o *Options) check() error {
	cookie := http.Cookie{Name: o.Cookie, Value: "x"}
	switch {
	case o.Idle < time.Second || o.Absolute < time.Second:
		return fmt.Errorf("idle %s or absolute %s is below 1s", o.Idle, o.Absolute)
	case o.Timeout < 0 || o.MaxFields < 0 || o.MaxBytes < 0:
		return errors.New("the timeout or a limit is negative")
	case cookie.Valid() != nil:
		return fmt.Errorf("cookie name %q is not a token", o.Cookie)
	case o.SameSite == http.SameSiteNoneMode && o.Insecure:
		return errors.New("browsers refuse a cookie with SameSite=None and without Secure")
	case strings.ContainsAny(o.Prefix, "{}"):
		return fmt.Errorf("prefix %q contains a brace, which would mark a hash tag of Redis Cluster", o.Prefix)
	}
	return nil
}

// Open returns the session of a token, for visitors that do not come through Middleware, for example a WebSocket or a
// mobile client. It does no I/O: the first method that needs the session loads it. A token that is empty, malformed,
// unknown or expired opens a new session. The new session is stored under a new token when something is written to it;
// see [Session.Save] and [Session.Token].
func (all *Sessions) Open(token string) *Session {
	s := &Session{all: all}
	if id, ok := parseToken(token); ok {
		s.token, s.id, s.hadToken = token, id, true
	} else {
		s.reset()
	}
	return s
}

// RevokeUser ends every session of a user, at once and on all nodes, with one write. Each login stores the generation
// of the user. RevokeUser sets a new generation, and a session with another generation does not open. To keep the
// session of the present request, call [Session.Login] after it.
//
// Errors: ErrInvalid for the user, ErrUnavailable.
func (all *Sessions) RevokeUser(ctx context.Context, user string) error {
	if err := checkText("user", user, maxUser); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, all.o.Timeout)
	defer cancel()
	// The generation must outlive every session that it ends. None of them lives longer than Absolute.
	ttl := all.o.Absolute + 24*time.Hour
	set := all.client.B().Set().Key(all.userKey(user)).Value(rand.Text()).Px(ttl).Build().ToRetryable().Pin()
	return all.count(&all.n.revoked, unavailable("revoke sessions of user", all.client.Do(ctx, set).Error()))
}

// generation returns the generation that RevokeUser last set for a user, or "".
func (all *Sessions) generation(ctx context.Context, user string) (string, error) {
	g, err := all.client.Do(ctx, all.client.B().Get().Key(all.userKey(user)).Build().Pin()).ToString()
	if rueidis.IsRedisNil(err) {
		return "", nil
	}
	return g, unavailable("read generation of user", err)
}

// The braces give both keys of a session the same slot of a Redis Cluster.
func (all *Sessions) key(id string) string       { return all.o.Prefix + "s:{" + id + "}" }
func (all *Sessions) graceKey(id string) string  { return all.o.Prefix + "g:{" + id + "}" }
func (all *Sessions) userKey(user string) string { return all.o.Prefix + "u:" + user }
