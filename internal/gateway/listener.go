package gateway

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/tenfold-go/tenfold/internal/gateway/engine"
)

// listener is one address of the gateway. It accepts connections while the address is in the configuration, and hands
// each one to the engine of the current configuration. An engine that was replaced keeps the connections that it has.
type listener struct {
	address string // as the configuration has it, without its scheme
	socket  net.Listener
	// admit returns the connection as the configuration wants it. It may wrap it, or close it and return nil.
	admit func(net.Conn) net.Conn

	mu      sync.Mutex
	current *frontend
	old     []*frontend // with at least one connection
	closed  bool
}

// frontend is an engine, and the way in which it gets its connections.
type frontend struct {
	engine.Engine
	settings engineSettings
	inlet    *inlet
}

// serve accepts connections until the socket is closed. It passes errors of the socket on to the engine, which decides
// whether they are temporary.
func (l *listener) serve(context.Context) {
	for {
		nc, err := l.socket.Accept()
		if errors.Is(err, net.ErrClosed) && l.isClosed() {
			return
		}
		if err == nil {
			if nc = l.admit(nc); nc == nil {
				continue
			}
		}
		if !l.handOver(nc, err) {
			if nc != nil {
				nc.Close()
			}
			return
		}
	}
}

// handOver gives a connection to the current engine. It returns false when the listener is closed, or when the engine
// takes no connections any more.
func (l *listener) handOver(nc net.Conn, err error) bool {
	var refused *frontend
	for {
		l.mu.Lock()
		f, closed := l.current, l.closed
		l.mu.Unlock()
		if closed || f == refused {
			return false
		}
		if f.inlet.offer(nc, err) {
			return true
		}
		refused = f
	}
}

// has reports whether the current engine has the settings.
func (l *listener) has(s engineSettings) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current != nil && l.current.settings == s
}

// settings returns the settings of the current engine, which the listener must have.
func (l *listener) settings() engineSettings {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current.settings
}

// replace makes f the engine of new connections, and returns the one before; nil for the first one.
func (l *listener) replace(f *frontend) (old *frontend) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old, l.current = l.current, f
	if old != nil {
		l.old = append(l.old, old)
	}
	return old
}

// forget removes an old engine that has no connection.
func (l *listener) forget(f *frontend) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, other := range l.old {
		if other == f {
			l.old = append(l.old[:i:i], l.old[i+1:]...)
			return
		}
	}
}

func (l *listener) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// close stops accepting connections. The engines keep those that they have.
func (l *listener) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.socket.Close()
}

// frontends returns the current engine and the old ones.
func (l *listener) frontends() []*frontend {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := append([]*frontend{}, l.old...)
	if l.current != nil {
		all = append(all, l.current)
	}
	return all
}

// shutdown lets the requests on all connections of the listener finish until ctx ends.
func (l *listener) shutdown(ctx context.Context) error {
	var all sync.WaitGroup
	frontends := l.frontends()
	errs := make([]error, len(frontends))
	for i, f := range frontends {
		all.Go(func() { errs[i] = f.Shutdown(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// kill closes all connections of the listener.
func (l *listener) kill() {
	for _, f := range l.frontends() {
		f.Engine.Close()
	}
}
