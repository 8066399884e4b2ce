package gateway

import (
	"errors"
	"net"
	"sync"
)

// inlet is the net.Listener of one engine. It counts the connections that the engine has, upgraded ones included.
type inlet struct {
	addr   net.Addr
	conns  chan accepted // not buffered: a connection that was taken is the engine's
	closed chan struct{}
	once   sync.Once

	mu      sync.Mutex
	open    int
	retired bool          // it gets no further connection
	empty   chan struct{} // closed when it is retired and open is 0
}

// accepted is a result of Accept.
type accepted struct {
	conn net.Conn
	err  error
}

func newInlet(addr net.Addr) *inlet {
	return &inlet{addr: addr, conns: make(chan accepted), closed: make(chan struct{}), empty: make(chan struct{})}
}

// offer hands a connection, or an error of the socket, to the engine. It returns false when the inlet is retired or
// closed, and has not taken it then.
func (in *inlet) offer(nc net.Conn, err error) bool {
	if !in.begin() {
		return false
	}
	a := accepted{nil, err}
	if nc != nil {
		a.conn = &inletConn{Conn: nc, inlet: in}
	}
	select {
	case in.conns <- a:
		if nc == nil {
			in.end()
		}
		return true
	case <-in.closed:
		in.end()
		return false
	}
}

func (in *inlet) begin() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.retired {
		return false
	}
	in.open++
	return true
}

func (in *inlet) end() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.open--
	in.reportEmpty()
}

// count returns how many connections the engine has.
func (in *inlet) count() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.open
}

// retire says that the inlet gets no further connection. It returns a channel that is closed when the last one is closed.
func (in *inlet) retire() <-chan struct{} {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.retired {
		in.retired = true
		in.reportEmpty()
	}
	return in.empty
}

// reportEmpty is called with mu held, after each change of its fields.
func (in *inlet) reportEmpty() {
	if in.retired && in.open == 0 {
		close(in.empty)
	}
}

// Accept waits for the next connection.
func (in *inlet) Accept() (net.Conn, error) {
	select {
	case a := <-in.conns:
		return a.conn, a.err
	case <-in.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. The socket stays open: it belongs to the listener.
func (in *inlet) Close() error {
	in.once.Do(func() { close(in.closed) })
	return nil
}

// Addr returns the address of the socket.
func (in *inlet) Addr() net.Addr { return in.addr }

// inletConn is a connection that counts until it is closed.
type inletConn struct {
	net.Conn
	inlet *inlet
	once  sync.Once
}

func (c *inletConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.inlet.end)
	return err
}

// CloseWrite ends the writing half, if the connection has halves.
func (c *inletConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// NetConn returns the connection below.
func (c *inletConn) NetConn() net.Conn { return c.Conn }
