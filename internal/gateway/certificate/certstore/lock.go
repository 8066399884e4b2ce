package certstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redisscript"
)

const lockPoll = 250 * time.Millisecond

// lock is a lock that this gateway holds.
type lock struct {
	token string
	stop  context.CancelFunc // of the renewal
	done  chan struct{}      // closed when the renewal has ended
}

func lockKey(name string) string { return prefix + "lock:" + name }

// operation has the locks that were taken with one context.
type operation struct {
	mu    sync.Mutex
	locks map[string]string // tokens by name
}

type operationKey struct{}

// Operation returns a context for an operation that takes locks: writes with this context fail when one of the locks is lost.
func Operation(ctx context.Context) context.Context {
	return context.WithValue(ctx, operationKey{}, &operation{locks: make(map[string]string)})
}

// heldBy returns the tokens of the locks that the operation of a context holds.
func heldBy(ctx context.Context) map[string]string {
	o, _ := ctx.Value(operationKey{}).(*operation)
	if o == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.locks)
}

// note sets the token of a lock of the operation; "" for a lock that was released.
func note(ctx context.Context, name, token string) {
	o, _ := ctx.Value(operationKey{}).(*operation)
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if token == "" {
		delete(o.locks, name)
	} else {
		o.locks[name] = token
	}
}

// Lock waits for a lock until ctx ends, or until the store does not answer. While the lock is held, its lease is renewed.
func (s *Storage) Lock(ctx context.Context, name string) error {
	token := rand.Text()
	for {
		_, err := s.do(ctx, func(c rueidis.Client) rueidis.Completed {
			return c.B().Set().Key(lockKey(name)).Value(token).Nx().PxMilliseconds(s.lease.Milliseconds()).Build().Pin()
		})
		if err == nil {
			break
		}
		if !rueidis.IsRedisNil(err) {
			s.release(context.WithoutCancel(ctx), name, token) // the answer may have been lost, and not the command
			return fmt.Errorf("lock %s: %w", name, err)
		}
		select {
		case <-time.After(lockPoll):
		case <-ctx.Done():
			return fmt.Errorf("lock %s: %w", name, ctx.Err())
		}
	}
	renewal, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &lock{token: token, stop: stop, done: make(chan struct{})}
	s.mu.Lock()
	s.locks[name] = l
	s.mu.Unlock()
	note(ctx, name, token)
	go func() { // Unlock waits for it
		defer close(l.done)
		s.renew(renewal, name, token)
	}()
	return nil
}

var renewScript = redisscript.New(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`)

// renew renews a lease until ctx ends or the lock is lost.
func (s *Storage) renew(ctx context.Context, name, token string) {
	tick := time.NewTicker(s.lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		held, err := s.run(ctx, renewScript, []string{lockKey(name)}, token, strconv.FormatInt(s.lease.Milliseconds(), 10))
		if err == nil && held == 0 {
			return // writes of the operation fail from now on
		}
	}
}

var releaseScript = redisscript.New(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
`)

// Unlock releases a lock. If the store does not answer, the lock expires.
func (s *Storage) Unlock(ctx context.Context, name string) error {
	s.mu.Lock()
	l := s.locks[name]
	delete(s.locks, name)
	s.mu.Unlock()
	if l == nil {
		return fmt.Errorf("unlock %s: is not held", name)
	}
	l.stop()
	<-l.done
	note(ctx, name, "")
	return s.release(ctx, name, l.token)
}

func (s *Storage) release(ctx context.Context, name, token string) error {
	if _, err := s.run(ctx, releaseScript, []string{lockKey(name)}, token); err != nil {
		return fmt.Errorf("unlock %s: %w", name, err)
	}
	return nil
}
