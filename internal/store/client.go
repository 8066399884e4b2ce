package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// ErrNone is returned by Client when there is no store.
var ErrNone = errors.New("no store is configured")

const (
	dialTimeout  = time.Second // requests wait for a connection: a store that takes longer counts as unreachable
	writeTimeout = 5 * time.Second
	retryPause   = 250 * time.Millisecond
)

// Client returns the client that all packages of tenfold share. The caller must not close it: Run closes it at its end.
//
// The first call connects. When that fails, a later call tries again, at most four times per second. A connected client
// reconnects by its own means. When its server becomes a replica after a failover, its answer to Do says so, and the
// next call of Client connects to the server that is at the address then. So call Client before each use.
//
// Commands are not retried: only the caller knows whether a command may be repeated. Each command needs a context with
// a deadline, because a server may hang.
func (s *Store) Client() (rueidis.Client, error) {
	if c := s.client.current.Load(); c != nil {
		return c, nil
	}
	return s.client.connect(s.URL)
}

// connection holds the client that is shared. It connects at the first use.
type connection struct {
	current atomic.Pointer[shared]

	mu      sync.Mutex // guards what follows, and changes of current
	failed  error      // the result of the last attempt
	retryAt time.Time
	closed  bool
	closing sync.WaitGroup // clients that were dropped and are being closed
}

// connect makes the shared client. It returns the error of the last attempt when that was less than retryPause ago.
func (c *connection) connect(url func() string) (rueidis.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch current := c.current.Load(); {
	case current != nil:
		return current, nil
	case c.closed:
		return nil, fmt.Errorf("connect to store: %w", net.ErrClosed)
	case time.Now().Before(c.retryAt):
		return nil, c.failed
	}
	address := url()
	if address == "" {
		return nil, ErrNone
	}
	o, err := rueidis.ParseURL(address)
	if err != nil {
		return nil, errors.New("parse store URL: malformed") // New has parsed it already; the error would show the password
	}
	o.DisableCache, o.DisableRetry = true, true
	o.Dialer = net.Dialer{Timeout: dialTimeout}
	o.ConnWriteTimeout = writeTimeout
	client, err := rueidis.NewClient(o)
	c.retryAt = time.Now().Add(retryPause)
	if err != nil {
		c.failed = fmt.Errorf("connect to store: %w", withoutAddress(err))
		return nil, c.failed
	}
	made := &shared{Client: client, owner: c}
	c.failed = errReplica // the result if this client is dropped within retryPause
	c.current.Store(made)
	return made, nil
}

var errReplica = errors.New("the store is a replica, which takes no writes")

// drop makes the next call of Client connect again, unless it did already. Commands of the old client run to their end.
func (c *connection) drop(old *shared) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current.CompareAndSwap(old, nil) {
		c.closing.Go(old.Close) // it waits for the commands
	}
}

// close closes the shared client and waits for those that were dropped. Client fails after it.
func (c *connection) close() {
	c.mu.Lock()
	c.closed = true
	if current := c.current.Swap(nil); current != nil {
		current.Close()
	}
	c.mu.Unlock()
	c.closing.Wait()
}

// shared is a rueidis.Client that is dropped when its server has become a replica.
type shared struct {
	rueidis.Client
	owner *connection
	// using is read-locked by commands, so that Close waits for them. In rueidis up to v1.0.79, a command that connects
	// during Close leaves its connection open.
	using sync.RWMutex
}

func (c *shared) Do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	result := c.do(ctx, cmd)
	if err, ok := rueidis.IsRedisErr(result.Error()); ok && isReplicaError(err.Error()) {
		c.owner.drop(c)
	}
	return result
}

func (c *shared) do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	c.using.RLock()
	defer c.using.RUnlock()
	return c.Client.Do(ctx, cmd)
}

func (c *shared) Close() {
	c.using.Lock()
	defer c.using.Unlock()
	c.Client.Close()
}

// isReplicaError reports whether an error says that its server is a replica. Before Redis 7, the error of a script has
// more text in front.
func isReplicaError(text string) bool {
	return strings.HasPrefix(text, "READONLY ") || strings.HasPrefix(text, "MASTERDOWN ") || strings.Contains(text, ": -READONLY ")
}
