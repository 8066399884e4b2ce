package guard

import (
	"crypto/tls"
	"errors"
	"net"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// PlainHTTP refuses a request that came without TLS to a listener that speaks TLS.
var PlainHTTP = &wire.Violation{Status: 400, Reason: "this port speaks HTTPS, and the request is plain HTTP: use https:// in the URL"}

// firstRead is a connection that keeps what a TLS handshake reads, if it begins like a request without TLS. Such a handshake
// fails at the first five octets, so it keeps little.
type firstRead struct {
	net.Conn
	begun bool
	read  []byte // nil for anything but text
}

func (c *firstRead) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && (c.read != nil || !c.begun && isLetter(p[0])) {
		c.read = append(c.read, p[:n]...)
	}
	c.begun = c.begun || n > 0
	return n, err
}

// isLetter tells a method of HTTP from a record of TLS, which begins with an octet from 20 to 23.
func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

// isHTTP reports whether a handshake has failed because the client sent text.
func (c *firstRead) isHTTP(err error) bool {
	return c.read != nil && errors.As(err, new(tls.RecordHeaderError))
}

// replay returns the connection with what was read in front.
func (c *firstRead) replay() net.Conn { return &replayed{Conn: c.Conn, first: c.read} }

// NetConn returns the connection below.
func (c *firstRead) NetConn() net.Conn { return c.Conn }

// CloseWrite ends the writing half, if the connection has halves.
func (c *firstRead) CloseWrite() error { return closeWrite(c.Conn) }

// replayed is a connection whose first bytes were read before.
type replayed struct {
	net.Conn
	first []byte
}

func (c *replayed) Read(p []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// NetConn returns the connection below.
func (c *replayed) NetConn() net.Conn { return c.Conn }

// CloseWrite ends the writing half, if the connection has halves.
func (c *replayed) CloseWrite() error { return closeWrite(c.Conn) }

// refusePlain guards a connection whose request is refused.
func (l *Listener) refusePlain(nc net.Conn) net.Conn {
	return &conn{Conn: nc, filter: filter{o: &l.o, plain: true}}
}
