// Package scsstore keeps the sessions of github.com/alexedwards/scs/v2 in Redis or Valkey, for services that use scs
// and run on several nodes. A [Store] has the methods of scs.Store and scs.CtxStore:
//
//	manager := scs.New()
//	manager.Store, err = scsstore.New(client, nil)
//
// Compared with the Redis stores of scs, it works on Redis Cluster and stores only a SHA-256 of each token. A logout
// also wins over requests in flight. But scs reads and writes a session as a whole: if two requests change a session at
// the same time, the later one overwrites all fields. Package session does not have that limit.
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

// Options configure a Store. A zero field means its default.
type Options struct {
	// EndedTTL is the time for which the store remembers a destroyed session. A request that began before the logout
	// and saves after it must not restore the session. So EndedTTL must be longer than any request takes before its
	// first byte. Default 10m, at least 1s.
	EndedTTL time.Duration
	MaxBytes int           // limit of one encoded session; default 65,536
	Timeout  time.Duration // limit of one operation on Redis, retries included; default 1s
	Prefix   string        // begins every key; default "tenfold:scs:"
}

// ErrTooLarge is the error of saving a session of more than Options.MaxBytes. Nothing is stored.
var ErrTooLarge = errors.New("session is too large")

// Store keeps scs sessions. It is safe for concurrent use.
type Store struct {
	client rueidis.Client
	o      Options
}

// New returns a Store in client's Redis. The caller closes client. New does no I/O. If o is nil, all options have their
// defaults. New fails if client is nil or reads from replicas, or if an option is invalid.
func New(client rueidis.Client, o *Options) (*Store, error) {
	if client == nil {
		return nil, errors.New("open scs store: no redis client")
	}
	if err := redisscript.CheckClient(client); err != nil {
		return nil, fmt.Errorf("open scs store: %w", err)
	}
	s := &Store{client: client}
	if o != nil {
		s.o = *o
	}
	if s.o.EndedTTL == 0 {
		s.o.EndedTTL = 10 * time.Minute
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
	if s.o.EndedTTL < time.Second || s.o.MaxBytes < 0 || s.o.Timeout < 0 {
		return nil, errors.New("open scs store: ended TTL is below 1s, or a limit is negative")
	}
	return s, nil
}

// maxToken limits a token in bytes. Tokens of scs have 43.
const maxToken = 256

// FindCtx returns the data of a token. Found is false if the token is unknown, expired, destroyed or longer than 256
// bytes.
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

// An ended session is an empty string. The encoding of scs is never empty.
var (
	commitScript = redisscript.NewRetryable(`
if redis.call('GET', KEYS[1]) ~= '' then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return 1`)
	deleteScript = redisscript.NewRetryable(`
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('SET', KEYS[1], '', 'PX', ARGV[1]) end
return 1`)
)

// CommitCtx stores the data of a token until expiry. If the session was destroyed in the meantime, the data is dropped
// without an error, as if it had been stored before the logout.
//
// Errors: ErrTooLarge, or that of Redis.
func (s *Store) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	ttl := time.Until(expiry).Milliseconds()
	switch {
	case len(data) > s.o.MaxBytes:
		return fmt.Errorf("store session of %d bytes, at most %d: %w", len(data), s.o.MaxBytes, ErrTooLarge)
	case len(token) > maxToken:
		return fmt.Errorf("store session: token of %d bytes, at most %d", len(token), maxToken)
	case ttl <= 0:
		return s.DeleteCtx(ctx, token)
	}
	return s.run(ctx, "store session", commitScript, token, string(data), strconv.FormatInt(ttl, 10))
}

// DeleteCtx ends a session. If the session does not exist, nothing happens.
func (s *Store) DeleteCtx(ctx context.Context, token string) error {
	return s.run(ctx, "delete session", deleteScript, token, strconv.FormatInt(s.o.EndedTTL.Milliseconds(), 10))
}

func (s *Store) run(ctx context.Context, doing string, script *redisscript.Script, token string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	if err := script.Run(ctx, s.client, []string{s.key(token)}, args...).Error(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// Find is FindCtx for callers without a context. scs does not call it.
func (s *Store) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is CommitCtx for callers without a context. scs does not call it.
func (s *Store) Commit(token string, data []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expiry)
}

// Delete is DeleteCtx for callers without a context. scs does not call it.
func (s *Store) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

func (s *Store) key(token string) string {
	sum := sha256.Sum256([]byte(token))
	return s.o.Prefix + base64.RawURLEncoding.EncodeToString(sum[:])
}
