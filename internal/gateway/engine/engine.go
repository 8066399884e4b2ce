// Package engine is the boundary between the gateway and the HTTP server that it runs on. An engine turns connections
// into requests with an [exchange.Exchange]; what is special about a server stays inside its package.
package engine

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"

	"github.com/tenfold-go/tenfold/internal/config"
)

// Engine serves HTTP on listeners. It hands each request to the handler that it was made with. The request has an
// exchange whose Inbound part controls the request's body. Its methods are safe for concurrent use.
type Engine interface {
	// Serve accepts connections and serves them until Shutdown or Close, and then returns nil. It returns an error when
	// the listener fails. It closes the listener in any case.
	Serve(net.Listener) error

	// Shutdown closes the listeners and the idle connections. It returns when all other connections have become idle
	// and are closed, or with the context's error when ctx ends first. Connections that a handler has taken over
	// (hijacked) are not waited for.
	Shutdown(ctx context.Context) error

	// Close closes the listeners and all connections that are not taken over. It does not wait for handlers; the
	// contexts of their requests end.
	Close() error
}

// Options configure an engine.
type Options struct {
	Limits config.Limits
	TLS    *tls.Config // nil for plain HTTP; may be shared by engines. Plain HTTP in place of a handshake gets a 400 that says so
	H2C    bool        // accept HTTP/2 without TLS
	// Redirect is noted in each exchange: requests without TLS are redirected to https.
	Redirect bool
	Log      *slog.Logger // required

	ConnOpened func() // called for each accepted connection; required
	ConnClosed func() // called when a connection that is not taken over has closed; required
}
