package upstream

import (
	"errors"
	"net/http"

	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// result is what a retry is decided by: what is known of a try that did not go well, and of the request.
type result struct {
	method     string
	keyed      bool // it carries an Idempotency-Key
	replayable bool // its body can be sent from the start again
	stage      client.Stage
	status     int // 0 when there is no answer
}

// repeatable is the retry matrix. It reports whether a request may be sent again, and if not, why.
//
//	                         | nothing was sent | sent, no whole answer | 502, 503 without Retry-After, 504
//	idempotent method or key | again            | again                 | again
//	any other                | again            | never                 | never
//
// in every case only with a body that is still whole.
func (r result) repeatable() (bool, string) {
	safe := idempotent(r.method) || r.keyed
	switch {
	case (r.status != 0 || r.stage != client.NotSent) && !safe:
		return false, "unsafe"
	case !r.replayable:
		return false, "body"
	}
	return true, ""
}

// idempotent methods may be repeated (RFC 9110 section 9.2.2).
func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// unavailable are the answers with which a node, or a proxy before it, says that it did not handle the request. A 503 with
// Retry-After is none of them: that is the service's own word, about what it needs and lacks on every node, and about when to
// come again. To try it elsewhere at once is what it asks not to do.
func unavailable(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	case http.StatusServiceUnavailable:
		return resp.Header.Get("Retry-After") == ""
	}
	return false
}

// judge decides whether a request is tried again. When it is not though the try failed, it says why, for the metric.
func (p *Pool) judge(f *flight, tries int, resp *http.Response, err error) (again bool, why string) {
	if err == nil && !unavailable(resp) {
		return false, ""
	}
	var body *client.BodyError
	if f.req.Context().Err() != nil || errors.As(err, &body) || errors.Is(err, ErrTimeout) {
		return false, "" // nobody waits any more, or there is nothing to send
	}
	r := result{method: f.req.Method, keyed: f.req.Header.Get("Idempotency-Key") != "", replayable: f.body.reclaim()}
	if err == nil {
		r.status = resp.StatusCode
	} else {
		r.stage = stageOf(err)
	}
	switch ok, why := r.repeatable(); {
	case !ok:
		return false, why
	case tries >= p.service.Retry.Tries:
		return false, "tries"
	case !p.budget.TryRetry():
		return false, "budget"
	}
	return true, ""
}

// stageOf tells how far a failed request got. Not knowing means that it may have been sent.
func stageOf(err error) client.Stage {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Stage
	}
	return client.Sent
}
