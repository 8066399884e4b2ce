// Package certstore keeps certificates in the store of tenfold, so that all gateways on one store share them. It is a
// storage of certmagic.
//
// Its locks are leases: they expire when their gateway is gone. A gateway that was too slow and has lost a lock cannot write
// what the lock protects: each write of an operation checks the locks of the operation in the same step (fencing).
package certstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redisscript"
)

const (
	prefix = "tenfold:{cert}:" // with a hash tag: one slot of a cluster, because scripts use several keys
	index  = prefix + "index"  // a set of all keys

	commandTimeout = 5 * time.Second
	maxValue       = 1 << 20
)

// Storage is a certmagic.Storage. It is safe for concurrent use.
type Storage struct {
	client func() (rueidis.Client, error)
	lease  time.Duration // how long a lock outlives its gateway

	mu    sync.Mutex
	locks map[string]*lock // those that this gateway holds, by name
}

var _ certmagic.Storage = (*Storage)(nil)

// New returns a storage that uses the client of the store. client is called before each use.
func New(client func() (rueidis.Client, error)) *Storage {
	return &Storage{client: client, lease: 30 * time.Second, locks: make(map[string]*lock)}
}

func valueKey(key string) string { return prefix + "v:" + key }

// storeScript writes a value if all locks are held: KEYS are the value, the index and the locks; ARGV the value, the time, the
// name and the tokens of the locks.
var storeScript = redisscript.New(`
for i = 3, #KEYS do
  if redis.call('GET', KEYS[i]) ~= ARGV[i + 1] then return 0 end
end
redis.call('HSET', KEYS[1], 'value', ARGV[1], 'modified', ARGV[2])
redis.call('SADD', KEYS[2], ARGV[3])
return 1
`)

// Store writes a value. It fails with ErrLockLost when ctx belongs to an operation that has lost a lock.
func (s *Storage) Store(ctx context.Context, key string, value []byte) error {
	if len(value) > maxValue {
		return fmt.Errorf("store %s: %d bytes are more than %d", key, len(value), maxValue)
	}
	keys := []string{valueKey(key), index}
	args := []string{rueidis.BinaryString(value), fmt.Sprint(time.Now().UnixMilli()), key}
	for name, token := range heldBy(ctx) {
		keys, args = append(keys, lockKey(name)), append(args, token)
	}
	n, err := s.run(ctx, storeScript, keys, args...)
	switch {
	case err != nil:
		return fmt.Errorf("store %s: %w", key, err)
	case n == 0:
		return fmt.Errorf("store %s: %w", key, ErrLockLost)
	}
	return nil
}

// Load returns a value, or fs.ErrNotExist.
func (s *Storage) Load(ctx context.Context, key string) ([]byte, error) {
	r, err := s.do(ctx, func(c rueidis.Client) rueidis.Completed {
		return c.B().Hget().Key(valueKey(key)).Field("value").Build().Pin()
	})
	if rueidis.IsRedisNil(err) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", key, err)
	}
	return r.AsBytes()
}

// deleteScript deletes a value and all values below it.
var deleteScript = redisscript.New(`
for _, key in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if key == ARGV[1] or string.sub(key, 1, #ARGV[1] + 1) == ARGV[1] .. '/' then
    redis.call('DEL', ARGV[2] .. key)
    redis.call('SREM', KEYS[1], key)
  end
end
return 1
`)

// Delete deletes a value, or all values below a key.
func (s *Storage) Delete(ctx context.Context, key string) error {
	if _, err := s.run(ctx, deleteScript, []string{index}, key, valueKey("")); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// Exists reports whether there is a value, or one below the key.
func (s *Storage) Exists(ctx context.Context, key string) bool {
	_, err := s.Stat(ctx, key)
	return err == nil
}

// List returns the keys below a path: all values, or without recursive the next parts.
func (s *Storage) List(ctx context.Context, path string, recursive bool) ([]string, error) {
	all, err := s.keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", path, err)
	}
	var below []string
	for _, key := range all {
		rest, ok := strings.CutPrefix(key, path+"/")
		if path == "" {
			rest, ok = key, true
		}
		if !ok {
			continue
		}
		if part, _, deeper := strings.Cut(rest, "/"); deeper && !recursive {
			key = strings.TrimSuffix(key, rest) + part
		}
		below = append(below, key)
	}
	if below == nil {
		return nil, fmt.Errorf("list %s: %w", path, fs.ErrNotExist)
	}
	slices.Sort(below)
	return slices.Compact(below), nil
}

func (s *Storage) keys(ctx context.Context) ([]string, error) {
	r, err := s.do(ctx, func(c rueidis.Client) rueidis.Completed { return c.B().Smembers().Key(index).Build().Pin() })
	if err != nil {
		return nil, err
	}
	return r.AsStrSlice()
}

// Stat describes a value, or a part of a path.
func (s *Storage) Stat(ctx context.Context, key string) (info certmagic.KeyInfo, err error) {
	r, err := s.do(ctx, func(c rueidis.Client) rueidis.Completed { return c.B().Hgetall().Key(valueKey(key)).Build().Pin() })
	if err != nil {
		return info, fmt.Errorf("stat %s: %w", key, err)
	}
	fields, err := r.AsStrMap()
	if err != nil {
		return info, fmt.Errorf("stat %s: %w", key, err)
	}
	if value, ok := fields["value"]; ok {
		var ms int64
		fmt.Sscan(fields["modified"], &ms)
		return certmagic.KeyInfo{Key: key, Modified: time.UnixMilli(ms), Size: int64(len(value)), IsTerminal: true}, nil
	}
	if _, err := s.List(ctx, key, true); err != nil {
		return info, fmt.Errorf("stat %s: %w", key, err)
	}
	return certmagic.KeyInfo{Key: key}, nil
}

// do runs one command. The error is that of the client, of the connection or of the server; see rueidis.IsRedisNil.
func (s *Storage) do(ctx context.Context, command func(rueidis.Client) rueidis.Completed) (r rueidis.RedisResult, err error) {
	c, err := s.client()
	if err != nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	r = c.Do(ctx, command(c))
	return r, r.Error()
}

// run runs a script that returns a number.
func (s *Storage) run(ctx context.Context, script *redisscript.Script, keys []string, args ...string) (int64, error) {
	c, err := s.client()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	return script.Run(ctx, c, keys, args...).AsInt64()
}

// ErrLockLost is the error of a write whose operation has lost a lock.
var ErrLockLost = errors.New("the lock was lost: another gateway may have it")
