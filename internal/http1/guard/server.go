package guard

import (
	"context"
	"net"
	"net/http"
)

// Attach sets the hooks of srv by which guarded connections learn what the server does: whether it switched protocols,
// and which request belongs to which connection. Hooks that are already set keep working. Call it before Serve.
func Attach(srv *http.Server) {
	connContext, connState := srv.ConnContext, srv.ConnState
	srv.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		if connContext != nil {
			ctx = connContext(ctx, nc)
		}
		if c := guarded(nc); c != nil {
			ctx = context.WithValue(ctx, connKey{}, c)
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

// connKey is the key of the guarded connection in a request's context.
type connKey struct{}

// guarded returns the guarded connection, or nil.
func guarded(nc net.Conn) *conn {
	switch c := nc.(type) {
	case *conn:
		return c
	case *tlsConn:
		return c.conn
	}
	return nil
}
