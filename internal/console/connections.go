package console

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// maxIdle is how many connections without a request may be open at a time. Each one costs a descriptor, which nodes and
// clients of the gateway need.
const maxIdle = 32

// connections closes the longest idle connection of the admin address when there are too many of them.
type connections struct {
	mu   sync.Mutex
	idle map[net.Conn]time.Time // when it was opened, or when its last request ended
}

// connState is http.Server.ConnState.
func (c *connections) connState(nc net.Conn, s http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s != http.StateNew && s != http.StateIdle {
		delete(c.idle, nc)
		return
	}
	c.idle[nc] = time.Now()
	if len(c.idle) <= maxIdle {
		return
	}
	oldest := nc
	for other, since := range c.idle {
		if since.Before(c.idle[oldest]) {
			oldest = other
		}
	}
	delete(c.idle, oldest)
	oldest.Close()
}
