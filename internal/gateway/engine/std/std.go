// Package std is the engine on net/http's server. Everything that works around that server is here: the strict filter
// in front of it, the control of request bodies, and the limits that it does not have.
//
//	connection -> limitedConn -> stallConn -> guard -> http.Server -> handler: exchange, stall writer, body -> the gateway
package std

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"

	"github.com/tenfold-go/tenfold/internal/gateway/engine"
	"github.com/tenfold-go/tenfold/internal/http1/guard"
)

// Engine is an [engine.Engine].
type Engine struct {
	options  engine.Options
	server   *http.Server
	newConns newConns
	limit    *Limit
}

// New returns an engine that hands requests to h. Engines may share the limit of connections.
func New(h http.Handler, limit *Limit, o *engine.Options) *Engine {
	e := &Engine{options: *o, limit: limit, server: newServer(&handler{h, o.Limits.WriteTimeout, o.Redirect}, o)}
	e.server.ConnState = e.connState
	guard.Attach(e.server)
	return e
}

// newServer returns net/http's server with our limits.
func newServer(h http.Handler, o *engine.Options) *http.Server {
	s := &http.Server{
		Handler: h,
		// The guard answers 408 to a slow header. This limit closes connections on which no byte arrives. It is twice as
		// long, so that the guard's limit passes first.
		ReadHeaderTimeout: 2 * o.Limits.HeaderTimeout,
		IdleTimeout:       o.Limits.IdleTimeout,
		MaxHeaderBytes:    o.Limits.HeaderBytes,
		ErrorLog:          log.New(errorLog{o.Log}, "", 0),
		Protocols:         new(http.Protocols),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 100, WriteByteTimeout: o.Limits.WriteTimeout},

		DisableGeneralOptionsHandler: true, // OPTIONS * goes to the handler like any other request
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(o.TLS != nil)
	s.Protocols.SetUnencryptedHTTP2(o.H2C && o.TLS == nil)
	return s
}

// Serve serves the connections of l.
func (e *Engine) Serve(l net.Listener) error {
	if err := e.server.Serve(e.guarded(l)); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// guarded puts everything that stands between the socket and net/http around a listener.
func (e *Engine) guarded(l net.Listener) net.Listener {
	limits := e.options.Limits
	l = &stallListener{e.limit.listener(l), limits.WriteTimeout}
	o := &guard.Options{
		MaxHeaderBytes: limits.HeaderBytes, MaxHeaderLines: limits.HeaderLines, MaxTarget: limits.URIBytes,
		HeaderTimeout: limits.HeaderTimeout, KeepUnderscores: limits.Underscores, AllowH2C: e.options.H2C && e.options.TLS == nil,
	}
	if e.options.TLS == nil {
		return guard.NewListener(l, o)
	}
	return guard.NewTLSListener(l, e.options.TLS, o, func(nc net.Conn, err error) {
		e.options.Log.Debug("tls handshake failed", "peer", nc.RemoteAddr().String(), "err", err) // any client can cause it
	})
}

// Shutdown ends the engine when its requests have finished.
func (e *Engine) Shutdown(ctx context.Context) error {
	var closing sync.WaitGroup
	shutdown, done := context.WithCancel(ctx)
	closing.Go(func() { e.newConns.closeSilent(shutdown) })
	err := e.server.Shutdown(ctx)
	done()
	closing.Wait()
	return err
}

// Close ends the engine at once.
func (e *Engine) Close() error { return e.server.Close() }

func (e *Engine) connState(nc net.Conn, s http.ConnState) {
	if c := limited(nc); c != nil {
		c.connState(nc, s)
	}
	switch s {
	case http.StateNew:
		e.options.ConnOpened()
	case http.StateClosed: // net/http does not report it for a hijacked connection
		e.options.ConnClosed()
	}
	e.newConns.connState(nc, s)
}
