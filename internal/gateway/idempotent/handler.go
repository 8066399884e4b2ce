package idempotent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/caller"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
	"github.com/tenfold-go/tenfold/internal/http1/client"
	"github.com/tenfold-go/tenfold/kit/idempotency"
)

// handler is the policy of one route.
type handler struct {
	*Shared
	config   config.Idempotency
	service  string
	timeout  time.Duration // for reading the body, and for a request without its client
	detached *detached
	next     http.Handler
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost && r.Method != http.MethodPatch {
		h.next.ServeHTTP(w, r)
		return
	}
	key, err := idempotency.KeyOf(r)
	if h.config.Mode == config.KeyOptional && errors.Is(err, idempotency.ErrNoKey) {
		h.count("unkeyed")
		h.next.ServeHTTP(w, r)
		return
	}
	body := bufferedBody{budget: &h.memory}
	defer body.release()
	if refused := h.admit(r, err, &body); refused != nil {
		h.refuse(w, r, refused)
		return
	}
	// From here on the request runs to completion even if the client disconnects; a repetition gets the recorded response.
	found, err := h.claims.take(context.WithoutCancel(r.Context()), StoreKey(h.service, caller.Of(r, h.config.Caller), key),
		fingerprint(idempotency.FingerprintOf(r, body.b)), h.config.TTL)
	switch {
	case err != nil:
		h.background.start(func(ctx context.Context) { found.claim.release(ctx) }) // one attempt; otherwise the lease expires
		h.unavailable(w, r, err)
	case found.state == stateDone && found.result.kept:
		h.count("replayed")
		replay(w, r, found.result.response)
	case found.state == stateTaken, found.state == stateTakenOver:
		if found.state == stateTakenOver {
			h.metrics.takeovers.Inc()
			h.log.Warn("idempotency key taken over: the request may have its effect twice", "service", h.service, "path", exchange.Clip(r.URL.Path))
		}
		h.run(w, r, found.claim, body.b)
	default:
		problem.Write(w, r, h.repeated(found))
	}
}

// admit checks the request and reads its body. It returns the problem of a request that is refused, and else nil. keyErr is the
// error of its key.
func (h *handler) admit(r *http.Request, keyErr error, body *bufferedBody) *problem.Problem {
	switch {
	case exchange.IsGRPC(r):
		return &problem.Problem{Status: http.StatusUnsupportedMediaType, Reason: "key_with_grpc",
			Detail: "gRPC responses are streams, which cannot be replayed for an Idempotency-Key"}
	case errors.Is(keyErr, idempotency.ErrNoKey):
		return &problem.Problem{Status: http.StatusBadRequest, Reason: "key_missing",
			Detail: "this path requires an Idempotency-Key header, so that a repeated request has its effect once"}
	case keyErr != nil:
		return &problem.Problem{Status: http.StatusBadRequest, Reason: "key_malformed", Detail: keyErr.Error()}
	case r.ContentLength > int64(h.config.BodyBytes):
		return h.bodyTooLarge()
	case r.Body == nil || r.Body == http.NoBody:
		return nil
	}
	exchange.From(r).ReadBodyBy(time.Now().Add(h.timeout))
	err := body.read(r.Body, r.ContentLength, h.config.BodyBytes)
	switch {
	case errors.Is(err, errMemoryLimit):
		return &problem.Problem{Status: http.StatusServiceUnavailable, Reason: "bodies_full", RetryAfter: time.Second, Err: err,
			Detail: "too many requests with an Idempotency-Key are in flight. This request had no effect: retry with the same key"}
	case err != nil:
		return problem.Of(r, &client.BodyError{Err: err})
	case len(body.b) > h.config.BodyBytes:
		return h.bodyTooLarge()
	}
	return nil
}

func (h *handler) bodyTooLarge() *problem.Problem {
	return &problem.Problem{Status: http.StatusRequestEntityTooLarge, Reason: "body_too_large",
		Detail: fmt.Sprintf("the body of a request with an Idempotency-Key is limited to %d bytes on this path", h.config.BodyBytes)}
}

func (h *handler) refuse(w http.ResponseWriter, r *http.Request, refused *problem.Problem) {
	if refused.Status == http.StatusServiceUnavailable {
		h.count("overloaded")
	} else {
		h.count("refused")
	}
	problem.Write(w, r, refused)
}

// unavailable responds while the store cannot be reached. The request is not sent to a node, in either mode: a client that sends a
// key relies on it.
func (h *handler) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	h.count("unavailable")
	problem.Write(w, r, &problem.Problem{Status: http.StatusServiceUnavailable, Reason: "store_unavailable", RetryAfter: time.Second, Err: err,
		Detail: "the store of idempotency keys does not respond. This request had no effect: retry with the same key"})
}

// repeated returns the response to a request that is not sent to a node because of another request with its key.
func (h *handler) repeated(f found) *problem.Problem {
	switch f.state {
	case stateInFlight:
		h.count("in_flight")
		return &problem.Problem{Status: http.StatusConflict, Reason: "key_in_flight", RetryAfter: max(f.wait, time.Second),
			Detail: "another request with this Idempotency-Key is in progress: retry with the same key"}
	case stateMismatch:
		h.count("mismatch")
		return &problem.Problem{Status: http.StatusUnprocessableEntity, Reason: "key_reused",
			Detail: "this Idempotency-Key was used for a different request. This request had no effect"}
	}
	h.count("unrepeatable")
	return &problem.Problem{Status: http.StatusGone, Reason: "answer_not_kept",
		Detail: "the request with this Idempotency-Key is done" + withStatus(f.result.response.Status) +
			", but its response was too large to keep or was cut off: it is not sent again"}
}

func withStatus(status int) string {
	if status == 0 {
		return ""
	}
	return " with status " + strconv.Itoa(status)
}

// run sends the request to the service, and holds the claim while the request runs.
func (h *handler) run(w http.ResponseWriter, r *http.Request, c *claim, body []byte) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	defer cancel(nil)
	defer context.AfterFunc(r.Context(), func() {
		h.waitDetached(ctx)
		cancel(context.Cause(r.Context()))
	})()
	hold := h.hold(ctx, c)
	defer hold.end()
	rec := newRecorder(w, r, hold)
	defer rec.abort()

	out := r.WithContext(ctx)
	out.Body, out.ContentLength, out.TransferEncoding = http.NoBody, int64(len(body)), nil
	if len(body) > 0 {
		exchange.From(r).BodyInMemory = true
		out.Body = exchange.NewMemoryBody(body)
	}
	delete(out.Header, "Te") // trailers cannot be replayed
	h.next.ServeHTTP(rec, out)
	rec.complete()
	if r.Context().Err() != nil { // the client may have closed only its sending side, and still read the response
		problem.NoteClientGone(r, context.Cause(r.Context()))
	}
}

// recordable reports whether a status of the service is recorded. It is not recorded when a repetition may have another result:
//
//	401, 403                 the caller may come back with other credentials
//	408, 409, 423, 425, 429  the service asks to retry later
//	503                      the service did not handle the request
//	statuses in retry_on     the file says that they have no effect
//
// Any other error of the service is a result: the gateway cannot know what the service did before it failed.
func (h *handler) recordable(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusConflict,
		http.StatusLocked, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return false
	}
	return status >= 200 && !slices.Contains(h.config.RetryOn, status)
}
