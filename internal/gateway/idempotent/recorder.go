package idempotent

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"strconv"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
	"github.com/tenfold-go/tenfold/internal/gateway/response"
	"github.com/tenfold-go/tenfold/internal/http1/wire"
	"github.com/tenfold-go/tenfold/kit/idempotency"
)

// responseRecorder is the http.ResponseWriter of a request that holds a claim. The status decides whether the claim is
// given up or the response is recorded. A response of known length is held back until it is recorded. A response of
// unknown length may be a stream, so it is passed on as it comes, except for its end. So a client that has a whole
// response gets the same one again.
//
// It supports neither Hijack nor Unwrap.
type responseRecorder struct {
	w       http.ResponseWriter
	request *http.Request
	hold    *claimHold
	header  http.Header // of the service; other policies set theirs in the header of w

	mode   recordMode
	status int
	kept   response.Response // what is recorded, without the body
	body   bytes.Buffer
	limit  int  // bytes for the body
	gone   bool // the client reads no more
}

type recordMode int

const (
	undecided recordMode = iota // no status yet
	passing                     // the claim is decided, or will not be
	holding                     // recorded, and sent at the end
	copying                     // recorded, and sent as it comes
)

func newRecorder(w http.ResponseWriter, r *http.Request, hold *claimHold) *responseRecorder {
	return &responseRecorder{w: w, request: r, hold: hold, header: http.Header{}}
}

func (k *responseRecorder) Header() http.Header { return k.header }

func (k *responseRecorder) WriteHeader(status int) {
	if k.mode != undecided {
		return
	}
	if status < 200 {
		k.passInformational(status)
		return
	}
	k.status = status
	reason := exchange.From(k.request).Reason
	own := reason != "" // the gateway made the response: it says nothing about the service
	if reason == problem.ReasonResponseLimit {
		k.recordUnkept()
		k.sendHeader()
		return
	}
	if own || !k.hold.recordable(status) {
		k.mode = passing
		k.hold.release(k.storeContext())
		k.sendHeader()
		return
	}
	length, known := k.length()
	k.kept = response.Response{Status: status, Header: recordedHeader(k.header)}
	k.limit = k.hold.config.AnswerBytes - response.HeaderSize(k.kept.Header)
	switch {
	case length > k.limit:
		k.recordUnkept()
		k.sendHeader()
	case known:
		k.mode = holding
		k.body.Grow(length)
	default:
		k.mode = copying
		k.sendHeader()
	}
}

// recordedHeader returns the part of a header that is recorded: everything but cookies, which are secrets, and what belongs to
// one response or one connection.
func recordedHeader(h http.Header) http.Header {
	h = h.Clone()
	wire.RemoveHopByHop(h)
	for _, name := range []string{"Content-Length", "Date", "Set-Cookie", exchange.RequestIDHeader, idempotency.ReplayedHeader} {
		h.Del(name)
	}
	return h
}

// storeContext is the context of store updates: the disconnection of the client does not cancel them.
func (k *responseRecorder) storeContext() context.Context {
	return context.WithoutCancel(k.request.Context())
}

// length returns the length of the body, at least 0, and whether it is known.
func (k *responseRecorder) length() (n int, known bool) {
	if !mayHaveBody(k.status) {
		return 0, true
	}
	n, err := strconv.Atoi(k.header.Get("Content-Length"))
	return max(n, 0), err == nil && n >= 0
}

// recordUnkept records that the request is done, without its response.
func (k *responseRecorder) recordUnkept() {
	k.mode = passing
	k.hold.record(k.storeContext(), result{response: response.Response{Status: k.status}})
}

func (k *responseRecorder) sendHeader() {
	maps.Copy(k.w.Header(), k.header)
	k.w.WriteHeader(k.status)
}

// passInformational sends a 1xx response at once.
func (k *responseRecorder) passInformational(status int) {
	h := k.w.Header()
	before := maps.Clone(h)
	maps.Copy(h, k.header)
	k.w.WriteHeader(status)
	clear(h) // net/http would send the fields again with the final response
	maps.Copy(h, before)
}

func (k *responseRecorder) Write(p []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	if k.mode == passing {
		return k.w.Write(p)
	}
	if k.body.Len()+len(p) > k.limit {
		return k.exceed(p)
	}
	k.body.Write(p)
	if k.mode == copying && !k.gone {
		if _, err := k.w.Write(p); err != nil {
			k.gone = true // the rest is recorded for a repetition
		}
	}
	return len(p), nil
}

// exceed is the write with which a response becomes too large to keep.
func (k *responseRecorder) exceed(p []byte) (int, error) {
	held := k.mode == holding
	k.recordUnkept()
	if held {
		k.sendHeader()
		if _, err := k.w.Write(k.body.Bytes()); err != nil {
			return 0, err
		}
	}
	k.body = bytes.Buffer{}
	return k.w.Write(p)
}

// FlushError is called by http.ResponseController.
func (k *responseRecorder) FlushError() error {
	if k.mode == undecided || k.mode == holding || k.gone {
		return nil
	}
	err := http.NewResponseController(k.w).Flush()
	if k.mode == copying {
		k.gone = err != nil
		return nil
	}
	return err
}

// complete records the whole response, and then sends what was held back.
func (k *responseRecorder) complete() {
	k.WriteHeader(http.StatusOK)
	mode := k.mode
	if mode == passing {
		return
	}
	k.mode = passing
	k.kept.Body = k.body.Bytes()
	k.hold.record(k.storeContext(), result{k.kept, true})
	if mode == holding {
		k.sendHeader()
		k.w.Write(k.body.Bytes()) // an error means that the client disconnected; it may repeat the request
	}
}

// abort decides the claim after the handler panicked, as the proxy does when it cannot finish a response. A response that has
// started is a sign that the service has done the request. After complete, abort does nothing.
func (k *responseRecorder) abort() {
	switch k.mode {
	case undecided:
		k.mode = passing
		k.hold.release(k.storeContext())
	case holding, copying:
		k.recordUnkept()
	}
}

// replay sends a recorded response.
func replay(w http.ResponseWriter, r *http.Request, recorded response.Response) {
	exchange.From(r).Reason = "replayed"
	h := w.Header()
	maps.Copy(h, recorded.Header)
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // otherwise net/http guesses a type
	}
	h.Set(idempotency.ReplayedHeader, "true")
	if mayHaveBody(recorded.Status) {
		h.Set("Content-Length", strconv.Itoa(len(recorded.Body)))
	}
	w.WriteHeader(recorded.Status)
	w.Write(recorded.Body) // an error means that the client disconnected; it may repeat the request
}

func mayHaveBody(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}
