package gateway

import (
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/certificate"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// state is what the gateway serves by: one configuration, and what was built from it. It is immutable. A change of the
// configuration makes a new state, and a request keeps the state that it began with.
type state struct {
	cfg      *config.Config
	handler  http.Handler
	routes   http.Handler // the part of handler that finds the route of a request
	policies *policies
	counter  *requestCounter
	pools    map[string]*pool

	certificates *certificate.Set // of new TLS connections

	arriving pending       // requests that have no route yet
	replaced chan struct{} // closed when another state serves
}

// enter returns the current state, in which the request counts as arriving.
func (g *Gateway) enter() *state {
	for {
		s := g.current.Load()
		s.arriving.begin()
		if g.current.Load() == s {
			return s
		}
		s.arriving.Release() // it was replaced in between, and may have been found to be unused
	}
}

// again finds the route of a request that was held while another configuration came to serve.
func (g *Gateway) again(w http.ResponseWriter, r *http.Request) {
	s := g.enter()
	exchange.From(r).Hold(&s.arriving)
	s.routes.ServeHTTP(w, r)
}

// pending counts requests that nothing else counts yet. It implements exchange.Hold.
type pending struct {
	n       atomic.Int64
	retired atomic.Bool // no new request will begin
	once    sync.Once
	none    chan struct{} // closed when the last request of a retired pending was released
}

func newPending() pending { return pending{none: make(chan struct{})} }

func (p *pending) begin() { p.n.Add(1) }

// Release ends one request.
func (p *pending) Release() {
	if p.n.Add(-1) == 0 && p.retired.Load() {
		p.once.Do(func() { close(p.none) })
	}
}

// retire says that no new request will begin. It returns a channel that is closed when the last one was released.
func (p *pending) retire() <-chan struct{} {
	p.retired.Store(true)
	if p.n.Load() == 0 {
		p.once.Do(func() { close(p.none) })
	}
	return p.none
}
