package policy

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// Problem is an answer that comes from the gateway and not from a service (RFC 9457).
type Problem struct {
	Status     int
	Reason     string        // a word for machines, from a closed set: "no_node", "queue_full", ...
	Detail     string        // a sentence for people; it must not tell more than a stranger may know
	RetryAfter time.Duration // 0 for no such field
	Allow      []string      // the methods that are, beside 405; nil for no such field
	Err        error         // the cause, for the log alone
}

// Write answers with the problem, and notes it in the request's record.
func (p Problem) Write(w http.ResponseWriter, r *http.Request) {
	rec := exchange.From(r)
	if rec != nil {
		rec.Reason, rec.Err = p.Reason, p.Err
	}
	rec.AbandonBody()
	body, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Reason string `json:"reason"`
	}{"about:blank", http.StatusText(p.Status), p.Status, p.Detail, p.Reason})
	if err != nil {
		panic(err) // strings and a number
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	h.Set("Cache-Control", "no-store") // what the gateway says of this moment is not the resource
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
	if p.Allow != nil {
		h.Set("Allow", strings.Join(p.Allow, ", "))
	}
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		w.Write(append(body, '\n'))
	}
}
