package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// handshakeTimeout is how long a peer may take for its TLS handshake.
const handshakeTimeout = 10 * time.Second

// NewTLSListener is NewListener for connections that begin with a TLS handshake. The handshake is over when Accept returns a
// connection: it is a guarded one, or, when HTTP/2 was negotiated (config.NextProtos has "h2"), the *tls.Conn itself, on
// which http.Server serves HTTP/2. It is served by Server.Serve, not by ServeTLS. A connection whose handshake fails is
// closed and not returned; failed, unless nil, is told why, possibly several times at once.
//
// The first Accept starts a goroutine that accepts, and that starts one for each handshake. Close ends them all.
func NewTLSListener(inner net.Listener, config *tls.Config, o *Options, failed func(net.Conn, error)) net.Listener {
	if failed == nil {
		failed = func(net.Conn, error) {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &tlsGuard{
		Listener: NewListener(inner, o), config: config, failed: failed,
		accepted: make(chan accepted), ctx: ctx, cancel: cancel,
	}
}

type tlsGuard struct {
	*Listener
	config *tls.Config
	failed func(net.Conn, error)

	start    sync.Once
	accepted chan accepted
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

type accepted struct {
	nc  net.Conn
	err error
}

func (g *tlsGuard) Accept() (net.Conn, error) {
	g.start.Do(func() { g.running.Go(g.accept) })
	select {
	case a := <-g.accepted:
		return a.nc, a.err
	case <-g.ctx.Done():
		return nil, net.ErrClosed
	}
}

func (g *tlsGuard) accept() {
	for g.ctx.Err() == nil {
		nc, err := g.Listener.Listener.Accept()
		if err == nil {
			g.running.Go(func() { g.handshake(nc) })
			continue
		}
		g.deliver(accepted{err: err}) // the server may wait a little before it comes for the next
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

func (g *tlsGuard) handshake(nc net.Conn) {
	ctx, cancel := context.WithTimeout(g.ctx, handshakeTimeout)
	defer cancel()
	t := tls.Server(nc, g.config)
	if err := t.HandshakeContext(ctx); err != nil {
		nc.Close()
		if g.ctx.Err() == nil {
			g.failed(nc, err)
		}
		return
	}
	var out net.Conn = t
	if t.ConnectionState().NegotiatedProtocol != "h2" {
		out = g.wrap(t)
	}
	if !g.deliver(accepted{nc: out}) {
		nc.Close()
	}
}

func (g *tlsGuard) deliver(a accepted) bool {
	select {
	case g.accepted <- a:
		return true
	case <-g.ctx.Done():
		return false
	}
}

// Close stops listening and waits for the handshakes, which it interrupts.
func (g *tlsGuard) Close() error {
	g.cancel()
	err := g.Listener.Close()
	g.running.Wait()
	return err
}
