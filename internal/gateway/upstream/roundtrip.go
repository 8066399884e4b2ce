package upstream

import (
	"context"
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/balance"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/http1/client"
	"github.com/tenfold-go/tenfold/kit/breaker"
)

// flight is one request on its way through the pool, over all its tries.
type flight struct {
	req      *http.Request
	body     *replay
	key      uint64 // for the consistent hash
	limit    int64  // places per node
	deadline time.Time
	waited   time.Duration

	view  *view // what the last pick saw
	tried []*member
	room  [4]*member // backs tried
}

// Skip keeps the picker away from nodes that are full and, while there are others, from those already tried.
func (f *flight) Skip(i int) bool {
	m := f.view.members[i]
	if f.limit > 0 && m.inFlight.Load() >= f.limit {
		return true
	}
	for _, t := range f.tried {
		if t == m {
			return true
		}
	}
	return false
}

// RoundTrip sends req to a node and returns its response; the caller must close the body. req is ready to be sent:
// hop-by-hop fields are gone. The exchange in its context, if any, gets the node, the tries and the time in the queue.
//
// It is sent again, to another node where there is one, when no byte of it had left, or when its method is idempotent
// (RFC 9110 section 9.2.2) or it carries an Idempotency-Key, and the tries and the budget allow it.
func (p *Pool) RoundTrip(req *http.Request) (*http.Response, error) {
	x := exchange.FromContext(req.Context())
	if x == nil {
		x = &exchange.Exchange{}
	}
	if len(p.view.Load().members) == 0 {
		p.metrics.noNode.Inc()
		return nil, ErrNoNode // before the breaker: nothing was tried, so there is no verdict
	}
	call, err := p.admit()
	if err != nil {
		return nil, err
	}
	most := p.service.Retry.BodyBytes
	if x.BodyInMemory {
		most = math.MaxInt
	}
	body, err := keepBody(req, most)
	if err != nil {
		p.settle(call, nil, err, req.Context())
		return nil, err
	}
	f := &flight{req: req, body: body, limit: int64(p.service.Limit.InFlight), key: p.hashKey(req, x)}
	f.tried = f.room[:0]
	if p.service.Timeout > 0 {
		f.deadline = time.Now().Add(p.service.Timeout)
	}
	p.budget.CountRequest()
	resp, err := p.send(f, x)
	x.Waited = f.waited
	p.settle(call, resp, err, req.Context())
	return resp, err
}

// send tries until there is an answer to give.
func (p *Pool) send(f *flight, x *exchange.Exchange) (*http.Response, error) {
	ctx := f.req.Context()
	for {
		m, err := p.acquire(ctx, f)
		if err != nil {
			return nil, err
		}
		x.Node = m.id
		x.Tries++
		resp, err := p.try(f, m)
		again, why := p.judge(f, x.Tries, resp, err)
		if !again {
			if why != "" {
				p.metrics.notRetried(why)
			}
			if resp != nil {
				if t, ok := resp.Body.(*tunnelBody); ok {
					x.Tunnel = t
				}
			}
			return p.pin(resp, f, m), err
		}
		p.metrics.retries.Inc()
		if resp != nil {
			resp.Body.Close()
		}
	}
}

// admit asks the breaker.
func (p *Pool) admit() (breaker.Call, error) {
	if p.breaker == nil {
		return breaker.Call{}, nil
	}
	call, err := p.breaker.Allow()
	if err != nil {
		p.metrics.breakerOpen.Inc()
		return call, &OpenError{RetryAfter: p.breaker.RetryAfter()}
	}
	return call, nil
}

// settle tells the breaker how the request ended. What says nothing about the nodes is no verdict.
func (p *Pool) settle(call breaker.Call, resp *http.Response, err error, ctx context.Context) {
	if p.breaker == nil {
		return
	}
	var body *client.BodyError
	switch {
	case ctx.Err() != nil, errors.As(err, &body), errors.Is(err, ErrNoNode), errors.Is(err, ErrQueueFull), errors.Is(err, ErrQueueTimeout):
		call.Cancel()
	default:
		call.Done(err == nil && !unavailable(resp))
	}
}

// hashKey is the ring position of a request; of one that lacks what the service hashes by, a random one.
func (p *Pool) hashKey(req *http.Request, x *exchange.Exchange) uint64 {
	b := p.service.Balance
	if b.Picker != config.PickHash {
		return 0
	}
	var s string
	switch b.By {
	case config.HashByHeader:
		s = req.Header.Get(b.Name)
	case config.HashByCookie:
		if c, err := req.Cookie(b.Name); err == nil {
			s = c.Value
		}
	case config.HashByIP:
		if x.Client.IsValid() {
			s = x.Client.String()
		}
	case config.HashByPath:
		s = req.URL.Path
	}
	if s == "" {
		return randomKey()
	}
	return balance.Key(s)
}
