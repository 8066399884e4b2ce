// Package exchange holds the state of one request on its way through the gateway.
//
// The engine, or the first policy, makes one Exchange per request and attaches it to the request's context. Every later
// step finds it with From. A step that wraps the request's body or the response writer therefore hides nothing from the
// steps behind it: no step looks at the type of a body or of a writer to find state.
package exchange

import (
	"context"
	"net/http"
	"net/netip"
	"time"
)

// Exchange is one request and its response. The steps fill it on the way; it is logged and counted once, at the end.
// The goroutine of the handler owns the fields. The methods that control the body may be called from any goroutine.
type Exchange struct {
	Service string     // the route's service; "" when no route matched
	Route   int        // the number of the route in the file, from 0
	Client  netip.Addr // the peer, or the client that trusted proxies report; invalid when it has no IP address
	Subject string     // issuer and subject of the accepted token, or an identifier of the token; "" without a token
	Secure  bool       // the request came over TLS to this gateway or to a trusted proxy
	User    string     // the name of the user whose password was accepted; "" without one

	RequestID string        // identifies the request in logs: from the client, or made by the gateway
	Start     time.Time     // when the gateway began to handle the request
	Paused    time.Duration // how long the request was held during a maintenance
	Pages     Pages         // for errors; nil for none

	Redirect bool // the listener redirects requests without TLS to https. Set by the engine

	Reason string        // why the gateway answered itself; "" when a service answered
	Err    error         // the cause, for the log only
	Status int           // of the response; 0 until it is known
	Bytes  int64         // of the response's body
	Took   time.Duration // set at the end

	PreferredNode string        // the sticky node; "" when the pool may choose any. Set above the pool, read by the pool
	BodyInMemory  bool          // the body is in memory already: the pool keeps all of it for retries, whatever its size
	Node          string        // the node that answered, or the last one tried. Set by the pool, like the next three
	Tries         int           // how many times the pool tried to send the request
	Waited        time.Duration // in the pool's queue, over all tries
	Tunnel        Tunnel        // the connection to the node after status 101; nil for any other status

	Inbound Inbound // the engine's part; nil without an engine, as in tests

	ctx        attached
	writer     writer
	requestIDs [1]string // the values of the field
	holder     Holder
}

type key struct{}

// attached is the request's context with the exchange in it. It is part of the Exchange, so that a request costs one
// allocation.
type attached struct {
	context.Context
	exchange *Exchange
}

func (c *attached) Value(k any) any {
	if k == (key{}) {
		return c.exchange
	}
	return c.Context.Value(k)
}

// Attach returns r with the exchange in its context. An exchange is attached to one request only.
func (x *Exchange) Attach(r *http.Request) *http.Request {
	x.ctx = attached{r.Context(), x}
	return r.WithContext(&x.ctx)
}

// From returns the exchange of a request, or nil when none is attached.
func From(r *http.Request) *Exchange { return FromContext(r.Context()) }

// FromContext returns the exchange of a request's context, or nil when none is attached.
func FromContext(ctx context.Context) *Exchange {
	x, _ := ctx.Value(key{}).(*Exchange)
	return x
}

// Ensure returns the exchange of a request, and the request. It attaches a new exchange when the request has none.
func Ensure(r *http.Request) (*Exchange, *http.Request) {
	if x := From(r); x != nil {
		return x, r
	}
	x := &Exchange{}
	return x, x.Attach(r)
}
