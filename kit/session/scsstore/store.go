// Package scsstore keeps the sessions of github.com/alexedwards/scs/v2 in Redis or Valkey, for services that use scs and want
// any node to answer any request. A [Store] has the methods of scs.Store and scs.CtxStore:
//
//	manager := scs.New()
//	manager.Store, err = scsstore.New(client, nil)
//
// Beside scs's own Redis stores it works on Redis Cluster, stores only a SHA-256 of each token, and lets a logout win over
// requests in flight. What it cannot mend is that scs reads and writes a session as a whole: of two requests that change one
// session at once, the later wins with all fields. Package session does not have that limit.
package scsstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redisscript"
)

// Options tune a Store. Zero fields mean their defaults.
type Options struct {
	// EndedFor is how long a destroyed session is remembered, so that a request which began before and saves later does not
	// bring it back; default 10m. It should be longer than any request takes before its first byte.
	EndedFor time.Duration
	MaxBytes int           // of one session, encoded; default 65,536
	Timeout  time.Duration // how long Redis may take to answer, retries included; default 1s
	Prefix   string        // begins every key; default "tenfold:scs:"
}

// ErrTooLarge is what saving a session of more than Options.MaxBytes returns. Nothing is stored.
var ErrTooLarge = errors.New("session is too large")

// Store keeps scs sessions. It is safe for concurrent use.
type Store struct {
	client rueidis.Client
	o      Options
}

// New returns a Store behind client, which stays the caller's to close. It does no I/O. A nil o means all defaults.
func New(client rueidis.Client, o *Options) (*Store, error) {
	if client == nil {
		return nil, errors.New("open scs store: no redis client")
	}
	s := &Store{client: client}
	if o != nil {
		s.o = *o
	}
	if s.o.EndedFor == 0 {
		s.o.EndedFor = 10 * time.Minute
	}
	if s.o.MaxBytes == 0 {
		s.o.MaxBytes = 64 << 10
	}
	if s.o.Timeout == 0 {
		s.o.Timeout = time.Second
	}
	if s.o.Prefix == "" {
		s.o.Prefix = "tenfold:scs:"
	}
	if s.o.EndedFor < time.Second || s.o.MaxBytes < 0 || s.o.Timeout < 0 {
		return nil, errors.New("open scs store: ended-for must be at least 1s, limits positive")
	}
	return s, nil
}

// maxToken is far more than the 43 bytes of scs's tokens.
const maxToken = 256

// FindCtx returns the data of a token. It is not found when it is unknown, expired, destroyed or longer than 256 bytes.
func (s *Store) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	if len(token) > maxToken {
		return nil, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	data, err = s.client.Do(ctx, s.client.B().Get().Key(s.key(token)).Build().Pin()).AsBytes()
	if rueidis.IsRedisNil(err) || err == nil && len(data) == 0 {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("find session: %w", err)
	}
	return data, true, nil
}

// An ended session is an empty string: what scs encodes never is.
var (
	commitScript = redisscript.NewRetryable(`
if redis.call('GET', KEYS[1]) ~= '' then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return 1`)
	deleteScript = redisscript.NewRetryable(`
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('SET', KEYS[1], '', 'PX', ARGV[1]) end
return 1`)
)

// CommitCtx stores the data of a token until expiry. Data of a session that was destroyed meanwhile is dropped without an
// error, as if it had been stored right before the logout.
//
// Errors: ErrTooLarge, or that of Redis.
func (s *Store) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	left := time.Until(expiry).Milliseconds()
	switch {
	case len(data) > s.o.MaxBytes:
		return fmt.Errorf("store session of %d bytes, at most %d: %w", len(data), s.o.MaxBytes, ErrTooLarge)
	case len(token) > maxToken:
		return fmt.Errorf("store session: token of %d bytes", len(token))
	case left <= 0:
		return s.DeleteCtx(ctx, token)
	}
	return s.run(ctx, "store session", commitScript, token, string(data), strconv.FormatInt(left, 10))
}

// DeleteCtx ends a session. It is no error when there is none.
func (s *Store) DeleteCtx(ctx context.Context, token string) error {
	return s.run(ctx, "delete session", deleteScript, token, strconv.FormatInt(s.o.EndedFor.Milliseconds(), 10))
}

func (s *Store) run(ctx context.Context, doing string, script *redisscript.Script, token string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	if err := script.Run(ctx, s.client, []string{s.key(token)}, args...).Error(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// Find is FindCtx for callers without a context; scs does not use it.
func (s *Store) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is CommitCtx for callers without a context; scs does not use it.
func (s *Store) Commit(token string, data []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expiry)
}

// Delete is DeleteCtx for callers without a context; scs does not use it.
func (s *Store) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

func (s *Store) key(token string) string {
	sum := sha256.Sum256([]byte(token))
	return s.o.Prefix + base64.RawURLEncoding.EncodeToString(sum[:])
}
