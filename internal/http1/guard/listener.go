package guard

import (
	"crypto/tls"
	"net"
	"time"
)

// Options are the limits of a Listener. The zero value, and nil, mean the defaults.
type Options struct {
	MaxHeaderBytes int // of a request head; default 32 KiB; above it 431
	MaxHeaderLines int // of a request head; default 128; above it 431
	MaxTarget      int // of the request target, in bytes; default 8 KiB; above it 414

	// HeaderTimeout is how long the rest of a head may take after its first byte; default 10 s; after it 408.
	// http.Server.ReadHeaderTimeout does not cover this time: it starts with the first bytes that the server sees, and the
	// server sees no byte of an incomplete head.
	HeaderTimeout time.Duration

	// KeepUnderscores passes header names like X_Real_IP. Many backends cannot tell them from X-Real-IP. Default: drop
	// them.
	KeepUnderscores bool
	// AllowH2C passes connections that begin with the preface of HTTP/2. The guard checks nothing on them.
	AllowH2C bool
}

func (o *Options) withDefaults() Options {
	var all Options
	if o != nil {
		all = *o
	}
	all.MaxHeaderBytes = orDefault(all.MaxHeaderBytes, 32<<10)
	all.MaxHeaderLines = orDefault(all.MaxHeaderLines, 128)
	all.MaxTarget = orDefault(all.MaxTarget, 8<<10)
	if all.HeaderTimeout == 0 {
		all.HeaderTimeout = 10 * time.Second
	}
	return all
}

func orDefault(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// Listener returns guarded connections.
type Listener struct {
	net.Listener
	o Options
}

// NewListener guards the connections of inner. They are plain, or *tls.Conn after their handshake. net/http cannot
// serve HTTP/2 on a guarded TLS connection; see NewTLSListener for that. Call Attach with the server first.
func NewListener(inner net.Listener, o *Options) *Listener {
	return &Listener{Listener: inner, o: o.withDefaults()}
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.guard(nc), nil
}

func (l *Listener) guard(nc net.Conn) net.Conn {
	c := &conn{Conn: nc, filter: filter{o: &l.o}}
	if t, ok := nc.(*tls.Conn); ok {
		return &tlsConn{c, t}
	}
	return c
}
