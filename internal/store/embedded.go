package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// embedded is a Redis in the memory of this process, for programs that start no processes, and for the memory server.
type embedded struct {
	server   *miniredis.Miniredis
	password string
}

func (e *embedded) open(context.Context) error {
	e.password = rand.Text()
	return e.listen("127.0.0.1:0")
}

func (e *embedded) listen(address string) error {
	e.server = miniredis.NewMiniRedis()
	e.server.RequireAuth(e.password)
	if err := e.server.StartAddr(address); err != nil {
		return fmt.Errorf("start embedded store: %w", err)
	}
	return nil
}

// run moves the clock of the server. miniredis does not do that itself: without run, no key would expire.
func (e *embedded) run(ctx context.Context) error {
	defer e.server.Close()
	const tick = 100 * time.Millisecond
	clock := time.NewTicker(tick)
	defer clock.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-clock.C:
			e.server.FastForward(now.Sub(last))
			last = now
		}
	}
}

func (e *embedded) url() string      { return fmt.Sprintf("redis://:%s@%s/0", e.password, e.server.Addr()) }
func (e *embedded) describe() string { return "in this process's memory" }
