package upstream

import (
	"net/http"

	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// result is what a retry depends on: a failed attempt and the request.
type result struct {
	method     string
	keyed      bool // the request carries an Idempotency-Key
	replayable bool // the body of the request can be sent from its start again
	stage      client.Stage
	status     int // 0 when there is no response
}

// repeatable is the retry matrix. It reports whether a request may be sent again, and if not, why.
//
//	                  | nothing was sent | sent, no whole response | 503 without Retry-After | 502, 504
//	idempotent method | again            | again                   | again                   | again
//	any other, keyed  | again            | again                   | again                   | never
//	any other         | again            | never                   | never                   | never
//
// With a key, a 502 or 504 of the service is its response: it is recorded under the key. In every case, the whole body must
// still be there.
func (r result) repeatable() (ok bool, reason string) {
	safe := idempotent(r.method) || r.keyed && (r.status == 0 || r.status == http.StatusServiceUnavailable)
	switch {
	case (r.status != 0 || r.stage != client.NotSent) && !safe:
		return false, "unsafe"
	case !r.replayable:
		return false, "body"
	}
	return true, ""
}

// idempotent reports whether requests with this method may be repeated (RFC 9110 section 9.2.2).
func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// hasKey reports whether req carries an Idempotency-Key. The service then runs the request once, even if it arrives
// twice.
func hasKey(req *http.Request) bool { return req.Header.Get("Idempotency-Key") != "" }

// unavailable reports whether a response says that the node, or a proxy in front of it, did not handle the request.
//
// A 503 with Retry-After does not count. The service itself sends it when something is missing that all its nodes need.
// The field asks clients to wait, so an attempt on another node at once would be wrong.
func unavailable(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	case http.StatusServiceUnavailable:
		return resp.Header.Get("Retry-After") == ""
	}
	return false
}
