package store

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// ErrNone is the answer of Client where there is no store.
var ErrNone = errors.New("there is no store")

// connection is the one that tenfold's own rooms share. It is made when it is first needed.
type connection struct {
	made    atomic.Pointer[rueidis.Client]
	making  sync.Mutex
	failed  error // the last attempt, until retryAt
	retryAt time.Time
	closed  bool
}

const (
	dialTimeout  = time.Second // a store that takes longer is away: requests wait for it
	writeTimeout = 5 * time.Second
	retryPause   = 250 * time.Millisecond
)

// Client returns the client that all of tenfold's own rooms share; it is closed when Run ends, and stays the Store's. The
// first call connects. Where that fails it is tried again at a later call, at most four times a second; once connected, the
// client itself connects anew. Commands are not retried: who sends one knows whether it may be repeated. Each needs a
// context with an end, because a server may also hang.
func (s *Store) Client() (rueidis.Client, error) {
	if c := s.client.made.Load(); c != nil {
		return *c, nil
	}
	return s.client.make(s.URL)
}

func (c *connection) make(url func() string) (rueidis.Client, error) {
	c.making.Lock()
	defer c.making.Unlock()
	switch made := c.made.Load(); {
	case made != nil:
		return *made, nil
	case c.closed:
		return nil, fmt.Errorf("connect to store: %w", net.ErrClosed)
	case c.failed != nil && time.Now().Before(c.retryAt):
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
	made, err := rueidis.NewClient(o)
	if err != nil {
		c.failed, c.retryAt = fmt.Errorf("connect to store: %w", plain(err)), time.Now().Add(retryPause)
		return nil, c.failed
	}
	c.made.Store(&made)
	return made, nil
}

func (c *connection) close() {
	c.making.Lock()
	defer c.making.Unlock()
	c.closed = true
	if made := c.made.Swap(nil); made != nil {
		(*made).Close()
	}
}
