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

// ErrNone is the answer of Client where there is no store.
var ErrNone = errors.New("there is no store")

// connection is the one that tenfold's own rooms share. It is made when it is first needed.
type connection struct {
	made    atomic.Pointer[shared]
	making  sync.Mutex
	failed  error // the last attempt
	retryAt time.Time
	closed  bool
	closing sync.WaitGroup // of clients that were dropped
}

// shared is a rueidis.Client that is dropped when its server turns out to be a replica.
type shared struct {
	rueidis.Client
	of    *connection
	using sync.RWMutex // read by calls, so that Close waits for them: up to v1.0.79 one that connects meanwhile would stay connected
}

func (c *shared) Do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	answer := c.do(ctx, cmd)
	if err, ok := rueidis.IsRedisErr(answer.Error()); ok && demoted(err.Error()) {
		c.of.drop(c)
	}
	return answer
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

// demoted reports whether an error says that its server is a replica. Before Redis 7 a script's errors have more in front.
func demoted(text string) bool {
	return strings.HasPrefix(text, "READONLY ") || strings.HasPrefix(text, "MASTERDOWN ") || strings.Contains(text, ": -READONLY ")
}

const (
	dialTimeout  = time.Second // a store that takes longer is away: requests wait for it
	writeTimeout = 5 * time.Second
	retryPause   = 250 * time.Millisecond
)

// Client returns the client that all of tenfold's own rooms share; it is closed when Run ends, and stays the Store's. The
// first call connects. Where that fails it is tried again at a later call, at most four times a second; once connected, the
// client itself connects anew. Should its server become a replica after a failover, as it says in the answer to Do, the next
// call connects to who is at the address now. So ask for the client before each use. Commands are not retried: who sends one
// knows whether it may be repeated. Each needs a context with an end, because a server may also hang.
func (s *Store) Client() (rueidis.Client, error) {
	if c := s.client.made.Load(); c != nil {
		return c, nil
	}
	return s.client.make(s.URL)
}

func (c *connection) make(url func() string) (rueidis.Client, error) {
	c.making.Lock()
	defer c.making.Unlock()
	switch made := c.made.Load(); {
	case made != nil:
		return made, nil
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
		return nil, errors.New("parse store URL: malformed") // New has parsed it before, and it holds a password
	}
	o.DisableCache, o.DisableRetry = true, true
	o.Dialer = net.Dialer{Timeout: dialTimeout}
	o.ConnWriteTimeout = writeTimeout
	to, err := rueidis.NewClient(o)
	c.retryAt = time.Now().Add(retryPause)
	if err != nil {
		c.failed = fmt.Errorf("connect to store: %w", plain(err))
		return nil, c.failed
	}
	made := &shared{Client: to, of: c}
	c.failed = errDemoted // should it be dropped so soon
	c.made.Store(made)
	return made, nil
}

var errDemoted = errors.New("the store is a replica, which takes no writes")

// drop makes the next call of Client connect anew, if old is still the one that is shared. Calls of it that are under way
// end as they would.
func (c *connection) drop(old *shared) {
	c.making.Lock()
	defer c.making.Unlock()
	if c.made.CompareAndSwap(old, nil) {
		c.closing.Go(old.Close) // waits for them
	}
}

func (c *connection) close() {
	c.making.Lock()
	c.closed = true
	if made := c.made.Swap(nil); made != nil {
		made.Close()
	}
	c.making.Unlock()
	c.closing.Wait()
}
