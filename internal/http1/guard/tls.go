package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// handshakeTimeout is the time limit for a TLS handshake.
const handshakeTimeout = 10 * time.Second

// NewTLSListener is NewListener for connections that begin with a TLS handshake. Accept returns a connection after its
// handshake. The connection is guarded, or it is a plain *tls.Conn if HTTP/2 was negotiated, which needs "h2" in
// config.NextProtos. Use Server.Serve with it, not ServeTLS; the server then serves HTTP/2 on the plain *tls.Conn.
//
// A connection that sends plain HTTP instead of a handshake is accepted as a guarded connection that refuses its request as
// PlainHTTP. After a handshake for another protocol than HTTP, such as the one by which an authority validates a name
// (RFC 8737), the connection is closed.
//
// If a handshake fails, the listener closes the connection and calls failed, which may be nil. The calls can be
// concurrent.
//
// The first Accept starts a goroutine that accepts connections, and one goroutine for each handshake. Close interrupts
// all of them and waits for them.
func NewTLSListener(inner net.Listener, config *tls.Config, o *Options, failed func(net.Conn, error)) net.Listener {
	if failed == nil {
		failed = func(net.Conn, error) {}
	}
	return &tlsListener{
		Listener: NewListener(inner, o), config: config, failed: failed,
		accepted: make(chan accepted), closed: make(chan struct{}),
	}
}

type tlsListener struct {
	*Listener
	config *tls.Config
	failed func(net.Conn, error)

	start    sync.Once
	accepted chan accepted
	close    sync.Once
	closed   chan struct{}
	running  sync.WaitGroup
}

// accepted is a result of Accept.
type accepted struct {
	nc  net.Conn
	err error
}

func (l *tlsListener) Accept() (net.Conn, error) {
	l.start.Do(l.run)
	select {
	case a := <-l.accepted:
		return a.nc, a.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// run starts the goroutines. Their context ends with Close.
func (l *tlsListener) run() {
	ctx, cancel := context.WithCancel(context.Background())
	l.running.Go(func() {
		<-l.closed
		cancel()
	})
	l.running.Go(func() { l.acceptAll(ctx) })
}

func (l *tlsListener) acceptAll(ctx context.Context) {
	for ctx.Err() == nil {
		nc, err := l.Listener.Listener.Accept()
		if err == nil {
			l.running.Go(func() { l.handshake(ctx, nc) })
			continue
		}
		l.deliver(ctx, accepted{err: err}) // the server may pause before its next Accept, and this loop with it
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

func (l *tlsListener) handshake(ctx context.Context, nc net.Conn) {
	limited, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	first := &firstRead{Conn: nc}
	t := tls.Server(first, l.config)
	var out net.Conn
	switch err := t.HandshakeContext(limited); {
	case err != nil && first.isHTTP(err):
		out = l.refusePlain(first.replay())
	case err != nil:
		nc.Close()
		if ctx.Err() == nil {
			l.failed(nc, err)
		}
		return
	default:
		switch t.ConnectionState().NegotiatedProtocol {
		case "h2":
			out = t
		case "", "http/1.1":
			out = l.guard(t)
		default:
			t.Close()
			return
		}
	}
	if !l.deliver(ctx, accepted{nc: out}) {
		nc.Close()
	}
}

// deliver passes a result to Accept. It returns false if the listener was closed first.
func (l *tlsListener) deliver(ctx context.Context, a accepted) bool {
	select {
	case l.accepted <- a:
		return true
	case <-ctx.Done():
		return false
	}
}

// Close stops listening, interrupts the handshakes and waits for them.
func (l *tlsListener) Close() error {
	l.close.Do(func() { close(l.closed) })
	l.start.Do(func() {}) // an Accept that starts the goroutines now has started them; a later one starts none
	err := l.Listener.Close()
	l.running.Wait()
	return err
}
