// Package session keeps HTTP sessions and shopping carts in Redis or Valkey, so that any node can answer any request, and
// a session that was ended stays ended.
//
// Begin with [New], wrap a handler in [Sessions.Middleware] and declare the fields of a session as constants of type
// [Field]. Inside a handler [From] gives the [Session]. Carts are separate: see [NewCarts].
//
// What holds, also with many nodes and many requests of one session at once:
//
//   - Fields are written one by one, so that two requests that change different fields lose nothing. [Field.Update]
//     changes one field atomically.
//   - A write needs the session to exist. After [Session.End] or [Sessions.RevokeUser], no request that was in flight
//     brings it back.
//   - [Session.Login] replaces the token. Who knows the old one learns nothing that the login brought.
//   - If the store does not answer, that is an error and, by default, a 503: never a visitor who seems to be logged out.
//
// Only a SHA-256 of each token is stored. Time is that of the store (Redis TIME and its expiry), so nodes with wrong clocks
// agree. Each script touches keys of one hash tag, so everything works on Redis Cluster. Redis 6.2 or newer is needed, with
// maxmemory-policy noeviction; the client must not send reads to replicas, which may not know of a logout yet.
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
)

// Options tune Sessions. Zero fields mean their defaults.
type Options struct {
	Idle     time.Duration // a session that nobody uses for so long ends; default 30m, at least 1s
	Absolute time.Duration // no session lives longer after it began, or after its last Login; default 24h, at least 1s
	// Grace is how long a token that Login or Renew replaced still shows the session as it was before, read-only, to the
	// requests that were under way; default 5s, negative for none.
	Grace   time.Duration
	Timeout time.Duration // how long the store may take to answer one operation, retries included; default 1s

	MaxFields int // fields of one session; default 64
	MaxBytes  int // bytes of all names and JSON values of one session; default 65,536

	// Cookie is the cookie's name without prefix; default "session", so that the browser gets "__Host-session".
	Cookie string
	// Insecure is for plain HTTP on localhost: the cookie loses Secure and with it the prefix "__Host-". Never use it where
	// others can listen.
	Insecure   bool
	SameSite   http.SameSite // default http.SameSiteLaxMode
	Persistent bool          // the cookie outlives the browser, for at most Absolute; default: it ends with the browser

	// OnError answers a request whose session could not be read or saved, in place of the handler; default [ServeError].
	OnError func(w http.ResponseWriter, r *http.Request, err error)

	Prefix string // begins every key; no braces; default "tenfold:"
}

// Sessions are the sessions of one service. All methods may be called concurrently.
type Sessions struct {
	client rueidis.Client
	o      Options
}

// New returns the sessions kept behind client, which stays the caller's to close. It does no I/O. A nil o means all
// defaults.
func New(client rueidis.Client, o *Options) (*Sessions, error) {
	all := &Sessions{client: client}
	if o != nil {
		all.o = *o
	}
	all.o.setDefaults()
	if client == nil {
		return nil, errors.New("open sessions: no redis client")
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

func setDefault[T comparable](value *T, standard T) {
	if *value == *new(T) {
		*value = standard
	}
}

func (o *Options) check() error {
	cookie := http.Cookie{Name: o.Cookie, Value: "x"}
	switch {
	case o.Idle < time.Second || o.Absolute < time.Second:
		return fmt.Errorf("idle %s and absolute %s must be at least 1s", o.Idle, o.Absolute)
	case o.Timeout < 0 || o.MaxFields < 0 || o.MaxBytes < 0:
		return errors.New("timeout and limits must be positive")
	case cookie.Valid() != nil:
		return fmt.Errorf("cookie name %q is not a token", o.Cookie)
	case o.SameSite == http.SameSiteNoneMode && o.Insecure:
		return errors.New("browsers refuse cookies with SameSite=None that are not Secure")
	case strings.ContainsAny(o.Prefix, "{}"):
		return fmt.Errorf("prefix %q must have no braces: they mark what Redis Cluster hashes", o.Prefix)
	}
	return nil
}

// Open returns the session of a token, for visitors that do not come through Middleware: a WebSocket, a mobile client.
// The store is asked at first use. A token that is empty, malformed, unknown or expired opens an empty session, which is
// stored under a new token once something is written to it; see [Session.Save] and [Session.Token].
func (all *Sessions) Open(token string) *Session {
	s := &Session{all: all}
	if id, ok := parseToken(token); ok {
		s.token, s.id, s.brought = token, id, true
	} else {
		s.restart()
	}
	return s
}

// RevokeUser ends every session of a user, at once and on all nodes, in one write: each login carries the user's generation
// of that moment, this sets a new one, and a session of another generation is not opened any more. To keep the session of the
// request that asks for it, call [Session.Login] after it.
//
// Errors: ErrInvalid for the user, ErrUnavailable.
func (all *Sessions) RevokeUser(ctx context.Context, user string) error {
	if err := checkText("user", user, maxUser); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, all.o.Timeout)
	defer cancel()
	// The mark outlives every session that it ends: those began before it, and none lives longer than Absolute.
	life := all.o.Absolute + 24*time.Hour
	set := all.client.B().Set().Key(all.userKey(user)).Value(rand.Text()).Px(life).Build().ToRetryable().Pin()
	return unavailable("revoke sessions of user", all.client.Do(ctx, set).Error())
}

// generation returns what RevokeUser last set for a user, or "".
func (all *Sessions) generation(ctx context.Context, user string) (string, error) {
	g, err := all.client.Do(ctx, all.client.B().Get().Key(all.userKey(user)).Build().Pin()).ToString()
	if rueidis.IsRedisNil(err) {
		return "", nil
	}
	return g, unavailable("read generation of user", err)
}

// The braces make both keys of a session hash to the same slot of a Redis Cluster.
func (all *Sessions) key(id string) string       { return all.o.Prefix + "s:{" + id + "}" }
func (all *Sessions) graceKey(id string) string  { return all.o.Prefix + "g:{" + id + "}" }
func (all *Sessions) userKey(user string) string { return all.o.Prefix + "u:" + user }
