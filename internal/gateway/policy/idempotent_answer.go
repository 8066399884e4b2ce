package policy

import (
	"bytes"
	"maps"
	"net/http"
	"strconv"

	"github.com/tenfold-go/tenfold/internal/gateway/claim"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/kit/idempotency"
)

// keeper is the http.ResponseWriter of a request that holds a claim: it decides by the header of the answer what becomes of
// the claim, and keeps a copy of what is to be recorded. An answer of known length is held back until it is recorded; one of
// unknown length, which may be a stream, is passed on as it comes, all but its end. So whoever has a whole answer gets the
// same again. It neither hijacks nor leads to what lies below.
type keeper struct {
	w      http.ResponseWriter
	rec    *exchange.Exchange
	turn   *turn
	header http.Header // apart from w's, where other policies have theirs
	limit  int         // bytes of a recorded answer

	mode   keeping
	status int
	kept   http.Header // what is recorded of the header
	body   bytes.Buffer
	room   int  // bytes that the body may have
	gone   bool // the client takes nothing any more
}

type keeping int

const (
	undecided keeping = iota
	passing           // the turn is over
	holding           // kept, and sent at the end
	copying           // kept, and sent as it comes
	due               // recorded, to be sent
)

func (k *keeper) Header() http.Header { return k.header }

func (k *keeper) WriteHeader(status int) {
	if k.mode != undecided {
		return
	}
	if status < 200 {
		k.hint(status)
		return
	}
	k.status = status
	if k.rec.Reason != "" || !final(status) { // a Problem of ours says nothing of the service
		k.mode = passing
		k.turn.free()
		k.sendHeader()
		return
	}
	length, known := k.length()
	k.kept = recordedHeader(k.header)
	k.room = k.limit - claim.HeaderSize(k.kept)
	switch {
	case length > k.room:
		k.pass()
		k.sendHeader()
	case known:
		k.mode = holding
		k.body.Grow(length)
	default:
		k.mode = copying
		k.sendHeader()
	}
}

// length is that of the answer's body: at least 0, and whether that is known.
func (k *keeper) length() (n int, known bool) {
	if !hasBody(k.status) {
		return 0, true
	}
	n, err := strconv.Atoi(k.header.Get("Content-Length"))
	return max(n, 0), err == nil && n >= 0
}

// pass gives up keeping the answer. Its request is done all the same.
func (k *keeper) pass() {
	k.mode = passing
	k.turn.record(claim.Answer{Status: k.status})
}

func (k *keeper) sendHeader() {
	maps.Copy(k.w.Header(), k.header)
	k.w.WriteHeader(k.status)
}

// hint passes an informational answer on.
func (k *keeper) hint(status int) {
	h := k.w.Header()
	before := maps.Clone(h)
	maps.Copy(h, k.header)
	k.w.WriteHeader(status)
	clear(h) // or net/http would send them again with the answer
	maps.Copy(h, before)
}

func (k *keeper) Write(p []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	if k.mode == passing {
		return k.w.Write(p)
	}
	if k.body.Len()+len(p) > k.room {
		return k.outgrow(p)
	}
	k.body.Write(p)
	if k.mode == copying && !k.gone {
		if _, err := k.w.Write(p); err != nil {
			k.gone = true // the rest is for the client that asks again
		}
	}
	return len(p), nil
}

// outgrow is the write with which an answer becomes too large to keep.
func (k *keeper) outgrow(p []byte) (int, error) {
	held := k.mode == holding
	k.pass()
	if held {
		k.sendHeader()
		if _, err := k.w.Write(k.body.Bytes()); err != nil {
			return 0, err
		}
	}
	k.body = bytes.Buffer{}
	return k.w.Write(p)
}

// FlushError is what http.ResponseController calls.
func (k *keeper) FlushError() error {
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

// record stores the answer when it is whole.
func (k *keeper) record() {
	k.WriteHeader(http.StatusOK)
	switch k.mode {
	case holding:
		k.mode = due
	case copying:
		k.mode = passing
	default:
		return
	}
	k.turn.record(claim.Answer{Status: k.status, Header: k.kept, Body: k.body.Bytes(), Kept: true})
}

// finish sends what was held back.
func (k *keeper) finish() {
	if k.mode == due {
		k.sendHeader()
		k.w.Write(k.body.Bytes()) // the only error is a client that left, and it can ask again
	}
}

// brokenOff ends the turn of a request whose handler panicked, as the proxy does with an answer that it cannot finish. An
// answer that had begun is a sign that the service has done what was asked.
func (k *keeper) brokenOff() {
	switch k.mode {
	case undecided:
		k.mode = passing
		k.turn.free()
	case holding, copying:
		k.pass()
	}
}

// replay gives a recorded answer.
func replay(w http.ResponseWriter, r *http.Request, a claim.Answer) {
	exchange.From(r).Reason = "replayed"
	h := w.Header()
	maps.Copy(h, a.Header)
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // or net/http would guess one
	}
	h.Set(idempotency.ReplayedHeader, "true")
	if hasBody(a.Status) {
		h.Set("Content-Length", strconv.Itoa(len(a.Body)))
	}
	w.WriteHeader(a.Status)
	w.Write(a.Body) // the only error is a client that left, and it can ask again
}

func hasBody(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}
