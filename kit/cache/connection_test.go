package cache

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// connections are the connections of a client, which a test can cut.
type connections struct {
	mu    sync.Mutex
	conns []net.Conn
}

// cuttable returns a client whose connections can be cut.
func cuttable(server *redistest.Server) (rueidis.Client, *connections) {
	c := &connections{}
	return server.Client(func(o *rueidis.ClientOption) {
		o.DialCtxFn, o.Dialer, o.ConnWriteTimeout = c.dial, net.Dialer{Timeout: time.Second}, time.Second
	}), c
}

func (c *connections) dial(ctx context.Context, address string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
	conn, err := d.DialContext(ctx, "tcp", address)
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

func (c *connections) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

// TestCommandsOutliveTheirConnection cuts connections and kills the server during parallel calls of every kind. With
// the race detector it finds a command whose memory the client has recycled while the broken connection is still
// writing it.
func TestCommandsOutliveTheirConnection(t *testing.T) {
	server := startServer(t)
	db := newTable()
	client, conns := cuttable(server)
	c := newCache(t, client, "broken", db, &Options[string, int]{
		L1Entries: -1, Tuning: Tuning{StoreTimeout: time.Second, L1Lease: 100 * time.Millisecond},
		Tags: func(key string) []string { return []string{"tag" + key, "all"} },
	})
	startRun(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var group sync.WaitGroup
	for i := range 16 {
		key := fmt.Sprint(i % 8)
		db.set(key, i)
		group.Go(func() {
			for ctx.Err() == nil {
				c.storeDown.Store(0) // call the store again at once
				if i < 10 {
					c.Get(ctx, key)
					continue
				}
				if i < 12 {
					c.GetMany(ctx, []string{"0", "1", "2", "3"})
					continue
				}
				short, done := context.WithTimeout(ctx, 10*time.Millisecond)
				c.Reserve(short, key).Set(short, i)
				c.Invalidate(short, key)
				c.Inspect(short, key)
				done()
			}
		})
	}
	for range 4 {
		for range 200 {
			time.Sleep(time.Millisecond)
			conns.cut()
		}
		server.Restart()
		eventually(t, "the store answers again", func() bool { _, err := c.Inspect(t.Context(), "0"); return err == nil })
	}
	cancel()
	group.Wait()
	s := c.Stats()
	t.Logf("%d reads of the store, %d loads, %d calls of the store failed", s.HitsL2, s.Loads, s.StoreErrors)
	if s.StoreErrors == 0 {
		t.Error("no call met the broken connection")
	}
}
