package guard

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Options are the limits that a Guard sets. The zero value, and nil, mean the defaults.
type Options struct {
	MaxHeaderBytes int // of a request head; default 32 KiB; above it 431
	MaxHeaderLines int // of a request head; default 128; above it 431
	MaxTarget      int // of the request target, in bytes; default 8 KiB; above it 414

	// HeaderTimeout is how long the rest of a head may take once its first byte is there; default 10 s; after it 408. It
	// is needed beside http.Server.ReadHeaderTimeout, because that begins with the first bytes that the server sees, and
	// it sees none of an incomplete head.
	HeaderTimeout time.Duration

	KeepUnderscores bool // let names like X_Real_IP pass, which many backends cannot tell from X-Real-IP; default: drop them
	AllowH2C        bool // let connections pass that begin with the preface of HTTP/2; nothing on them is checked
}

// Listener makes an http.Server strict: a listener whose connections let through only bytes that can be read in one way.
//
// net/http is lenient where a gateway must not be: it takes Content-Length together with Transfer-Encoding, bare line
// feeds, folded lines, any number of lines, and more. The guard follows the framing of each request on a connection. A
// request that it refuses it replaces by a well-formed one, on which Refusal tells status and reason, so that the
// refusal is answered, logged and counted by the same handlers as any request; nothing after it is interpreted, and the
// connection ends. A refusal in the middle of a body makes the handler's Read fail with a *RefusedError.
//
// What passes is what came, octet by octet, less what is dropped: names with underscores, chunk extensions, an empty
// line before a request.
type Listener struct {
	net.Listener
	o Options
}

// NewListener guards the connections of inner, which are plain or, if a *tls.Conn, past their handshake. (net/http cannot
// serve HTTP/2 on a guarded TLS connection; see NewTLSListener.) The server must have passed Attach.
func NewListener(inner net.Listener, o *Options) *Listener {
	g := &Listener{Listener: inner}
	if o != nil {
		g.o = *o
	}
	g.o.MaxHeaderBytes = orDefault(g.o.MaxHeaderBytes, 32<<10)
	g.o.MaxHeaderLines = orDefault(g.o.MaxHeaderLines, 128)
	g.o.MaxTarget = orDefault(g.o.MaxTarget, 8<<10)
	if g.o.HeaderTimeout == 0 {
		g.o.HeaderTimeout = 10 * time.Second
	}
	return g
}

func orDefault(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// Accept waits for the next connection.
func (g *Listener) Accept() (net.Conn, error) {
	nc, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return g.wrap(nc), nil
}

func (g *Listener) wrap(nc net.Conn) net.Conn {
	c := &guardConn{Conn: nc, o: &g.o}
	if t, ok := nc.(*tls.Conn); ok {
		return &guardTLSConn{c, t}
	}
	return c
}

// Attach sets the hooks by which guarded connections follow what the server does: whether an upgrade happened, and
// which request a refusal belongs to. Hooks that are set already keep working. Call it before Serve.
func Attach(srv *http.Server) {
	connContext, connState := srv.ConnContext, srv.ConnState
	srv.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		if connContext != nil {
			ctx = connContext(ctx, nc)
		}
		if c := guarded(nc); c != nil {
			ctx = context.WithValue(ctx, guardKey{}, c)
		}
		return ctx
	}
	srv.ConnState = func(nc net.Conn, state http.ConnState) {
		if c := guarded(nc); c != nil {
			c.serverState(state)
		}
		if connState != nil {
			connState(nc, state)
		}
	}
}

type guardKey struct{}

func guarded(nc net.Conn) *guardConn {
	switch c := nc.(type) {
	case *guardConn:
		return c
	case *guardTLSConn:
		return c.guardConn
	}
	return nil
}

// refusalHeader marks a request that stands for a refused one. Its value begins with a secret of this process, and a
// client's field of that name is dropped, so nobody else can make one.
const refusalHeader = "Tenfold-Refusal"

var refusalSecret = rand.Text()

// Refusal reports whether the request stands for one that a Guard refused, or had its body refused since, and then what
// to answer. The outermost handler asks before it does anything else, and again when reading the body failed. Method,
// URL and Host of such a request are those of the refused one as far as they could be read, for the log; it has no body.
func Refusal(r *http.Request) (status int, reason string, ok bool) {
	if values := r.Header[refusalHeader]; len(values) == 1 {
		secret, rest, _ := strings.Cut(values[0], " ")
		if subtle.ConstantTimeCompare([]byte(secret), []byte(refusalSecret)) == 1 {
			code, reason, _ := strings.Cut(rest, " ")
			status, err := strconv.Atoi(code)
			return status, reason, err == nil
		}
	}
	if c, _ := r.Context().Value(guardKey{}).(*guardConn); c != nil {
		if f := c.broken.Load(); f != nil {
			return f.Status, f.Reason, true
		}
	}
	return 0, "", false
}

// RefusedError is what reading a request body ends in when the body breaks the protocol. net/http cancels the request's
// context at the same time, as it does when the client goes away; Refusal tells the two apart.
type RefusedError struct {
	Status int
	Reason string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("request refused with %d: %s", e.Status, e.Reason)
}
