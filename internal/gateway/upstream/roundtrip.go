package upstream

import (
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/sample"
	"github.com/tenfold-go/tenfold/kit/breaker"
)

// RoundTrip sends req to a node and returns the response, whose body the caller must close. Hop-by-hop fields must
// have been removed from req. RoundTrip fills the exchange of req, if there is one, with the node, the number of
// attempts and the time in the queue.
//
// A failed request is sent again, to another node if there is one, when none of its bytes had been sent, when its
// method is idempotent (RFC 9110 section 9.2.2), or when it carries an Idempotency-Key. The number of tries and the
// retry budget limit this.
func (p *Pool) RoundTrip(req *http.Request) (*http.Response, error) {
	x := exchange.FromContext(req.Context())
	if x == nil {
		x = &exchange.Exchange{}
	}
	settings := p.settings.Load()
	r := &request{
		Request: req, exchange: x, settings: settings, traffic: p.traffic.shard(), start: sinceEpoch(),
		limit: int64(settings.service.Limit.InFlight),
		url:   urlKey(req, x), nodes: len(p.view.Load().members),
	}
	r.traffic.offered.Add(1)
	if r.nodes == 0 {
		// This comes before the breaker: no node was tried, so that there is no result to count.
		p.metrics.noNode.Inc()
		r.traffic.rejected.Add(1)
		return nil, ErrNoNode
	}
	call, err := p.admit(r)
	if err != nil {
		r.traffic.rejected.Add(1)
		return nil, err
	}
	resp, err := p.respond(r)
	p.finish(r, call, resp, err)
	return resp, err
}

// admit asks the circuit breaker.
func (p *Pool) admit(r *request) (breaker.Call, error) {
	if r.settings.breaker == nil {
		return breaker.Call{}, nil
	}
	call, err := r.settings.breaker.Allow()
	if err != nil {
		p.metrics.breakerOpen.Inc()
		return call, &OpenError{RetryAfter: r.settings.breaker.RetryAfter()}
	}
	return call, nil
}

// respond reads or prepares the body of an admitted request, and tries nodes until there is a response or an error to
// return.
func (p *Pool) respond(r *request) (resp *http.Response, err error) {
	limit := r.settings.service.Retry.BodyBytes
	if r.exchange.BodyInMemory {
		limit = math.MaxInt
	}
	if r.body, err = keepBody(r.Request, limit); err != nil {
		return nil, err
	}
	r.key = r.hashKey(r.settings.service.Balance)
	r.tried = r.triedBuf[:0]
	if r.settings.service.Timeout > 0 {
		r.deadline = sinceEpoch() + r.settings.service.Timeout
	}
	r.settings.budget.CountRequest()
	var last error // of the last attempt
	for {
		m, err := p.acquire(r.Context(), r)
		switch {
		case err == ErrNoNode && last != nil:
			return nil, last // it says why no node is left
		case err != nil:
			return nil, err
		}
		if r.attempts == 0 {
			r.traffic.accepted.Add(1)
		}
		r.attempts++
		r.exchange.Node = m.id
		r.exchange.Tries++
		resp, err := p.attempt(r, m)
		again, reason := p.judge(r, resp, err)
		if !again {
			p.metrics.countNotRetried(reason)
			return resp, err
		}
		p.metrics.retries.Inc()
		if last = err; resp != nil {
			resp.Body.Close()
		}
	}
}

// attempt sends the request to a node. Its error is an *[Error].
func (p *Pool) attempt(r *request, m *member) (*http.Response, error) {
	a := p.begin(r, m)
	resp, err := p.send(a)
	if err == nil {
		p.answered(m, a.start)
		p.observe(r, m, resp, a.start)
		err = a.deliver(resp)
	}
	if err != nil {
		return nil, a.fail(err)
	}
	if tunnel, ok := resp.Body.(*tunnelBody); ok {
		r.exchange.Tunnel = tunnel
	}
	return resp, nil
}

// answered counts a response to an attempt that began at start. Its status does not matter: a node that refuses requests
// is not hung.
func (p *Pool) answered(m *member, start time.Duration) {
	m.answers.Add(1)
	if took := sinceEpoch() - start; took > p.config().ReplaceAfter/hungLooks {
		p.slowest.observe(took)
	}
}

func (p *Pool) send(a *attempt) (*http.Response, error) {
	if exchange.IsGRPC(a.req) {
		return a.member.grpc.roundTrip(a.req)
	}
	return a.member.conns.roundTrip(a.req)
}

// judge decides whether a request is sent again. A try that reached no node costs the service nothing: it counts neither
// as a try nor for the budget, once per node. A request that the pool takes from a node that went down is sent again once
// without budget: there are no more of them than the node had in flight. judge returns a reason for the metric when the attempt failed and the
// request is not sent again, unless the client caused the failure or the time is over.
func (p *Pool) judge(r *request, resp *http.Response, err error) (again bool, reason string) {
	if err == nil && !unavailable(resp) {
		return false, ""
	}
	if r.Context().Err() != nil || isBodyError(err) || errors.Is(err, ErrTimeout) || errors.As(err, new(*ResponseLimitError)) {
		return false, ""
	}
	failed := result{method: r.Method, keyed: hasKey(r.Request), replayable: r.body.reclaim()}
	if err == nil {
		failed.status = resp.StatusCode
	} else {
		failed.stage = stageOf(err)
	}
	switch ok, reason := failed.repeatable(); {
	case !ok:
		return false, reason
	case r.settings.service.Retry.Tries > 1 && r.unreached < r.nodes && err != nil && reachedNoNode(err):
		r.unreached++
		return true, ""
	case r.attempts-r.unreached >= r.settings.service.Retry.Tries:
		return false, "tries"
	case !r.moved && errors.Is(err, ErrNodeDown): // the gateway itself took it away: the budget does not limit what one node had
		r.moved = true
		return true, ""
	case !r.settings.budget.TryRetry():
		return false, "budget"
	}
	return true, ""
}

// finish counts how an admitted request ended, for the samples and for the breaker.
func (p *Pool) finish(r *request, call breaker.Call, resp *http.Response, err error) {
	if err == nil {
		r.traffic.latency[sample.BucketOf(sinceEpoch()-r.start)].Add(1)
	}
	noSlot := errors.Is(err, ErrNoNode) || errors.Is(err, ErrQueueFull) || errors.Is(err, ErrQueueTimeout)
	canceled := r.Context().Err() != nil || isBodyError(err)
	switch {
	case canceled:
		r.traffic.canceled.Add(1)
	case noSlot && r.attempts == 0:
		r.traffic.rejected.Add(1)
	case err != nil || resp.StatusCode >= 500:
		r.traffic.failed.Add(1)
	default:
		r.traffic.completed.Add(1)
	}
	switch {
	case r.settings.breaker == nil:
	case canceled || noSlot || blameless(err):
		call.Cancel()
	case err != nil:
		call.Done(false)
	default:
		p.countStatus(r, call, unavailable(resp))
	}
}

// countStatus counts a response for the breaker: see [urlstatus.Failures].
func (p *Pool) countStatus(r *request, call breaker.Call, failed bool) {
	closed := r.settings.breaker.State() == breaker.Closed
	switch {
	case !failed:
		r.settings.statuses.OK(r.url, r.exchange.Route, sinceEpoch())
		call.Done(true)
	case closed && r.settings.statuses.Failed(r.url, r.exchange.Route, sinceEpoch()):
		call.Done(false)
	case closed:
		call.Cancel() // it may be the fault of this URL
	default:
		call.Done(!r.settings.statuses.WasSpread()) // a trial: the node has answered, which is enough if that was what failed
	}
}
