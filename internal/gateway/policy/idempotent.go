package policy

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/caller"
	"github.com/tenfold-go/tenfold/internal/gateway/claim"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
	"github.com/tenfold-go/tenfold/kit/idempotency"
)

// Idempotency gives requests under one Idempotency-Key one effect and one answer, for services that do not do so themselves.
// It is what all routes of a gateway share; its Policy is for one of them.
//
//	claim the key -> service -> record the answer -> answer
//
// What is not known to have had its effect is done again, what is known to have had it is not: a gateway or a node that dies
// in between leaves a claim that comes free, and a repetition is sent to a node once more.
type Idempotency struct {
	claims   *claim.Claims
	log      *slog.Logger
	requests *prometheus.CounterVec
	taken    prometheus.Counter
	late     *late
	room     room             // for the bodies of all requests
	left     map[string]*left // by service
}

// IdempotencyOptions tune an Idempotency. Zero fields mean their defaults.
type IdempotencyOptions struct {
	Log     *slog.Logger          // keys that may have had two effects; default: discard
	Metrics prometheus.Registerer // default: none
}

// results are all that a request is counted as.
var results = []string{
	"recorded",     // sent to the service, and its answer kept
	"unkept",       // sent, and its answer too large to keep, or broken off
	"freed",        // sent, and to be sent again if it is repeated
	"lost",         // sent, and the store did not take the answer
	"replayed",     // given a recorded answer
	"unrepeatable", // a repetition of one that was unkept
	"in_flight",    // 409
	"mismatch",     // 422
	"refused",      // another 4xx
	"unavailable",  // the store is away
	"overloaded",   // no room for the body
	"unkeyed",      // without a key where it is optional
}

// NewIdempotency returns what the routes of a gateway share. It starts nothing; Cut ends what its policies start.
func NewIdempotency(claims *claim.Claims, o *IdempotencyOptions) *Idempotency {
	if o == nil {
		o = &IdempotencyOptions{}
	}
	i := &Idempotency{claims: claims, log: o.Log, late: newLate(), left: map[string]*left{},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tenfold_idempotency_requests_total", Help: "Requests that may need an Idempotency-Key, by how they ended."}, []string{"result"}),
		taken: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tenfold_idempotency_takeovers_total", Help: "Keys whose gateway vanished and whose request was sent again: it may have had its effect twice."}),
	}
	i.room.free.Store(roomBytes)
	for _, result := range results {
		i.requests.WithLabelValues(result)
	}
	if i.log == nil {
		i.log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics != nil {
		o.Metrics.MustRegister(i.requests, i.taken)
	}
	return i
}

func (i *Idempotency) count(result string) { i.requests.WithLabelValues(result).Inc() }

// Cut ends the requests that go on without their clients, and gives up what waits for the store. It returns when nothing is
// left of the latter.
func (i *Idempotency) Cut() { i.late.cut() }

// Policy is that of one route to a service. A request whose client has left goes on for at most the service's Timeout, so
// that the answer is there when the client asks again; 0 means a minute. A body has as long to come in. It is not safe for
// concurrent use; what it returns is.
//
// It counts for POST and PATCH, the methods that are not idempotent by themselves. It must come behind what refuses callers: a
// recorded answer is given without asking the service.
func (i *Idempotency) Policy(c config.Idempotency, service *config.Service) Policy {
	if i.left[service.Name] == nil {
		i.left[service.Name] = newLeft(service.Limit.InFlight)
	}
	p := idempotent{Idempotency: i, config: c, service: service.Name, patience: cmp.Or(service.Timeout, time.Minute), left: i.left[service.Name]}
	return func(next http.Handler) http.Handler {
		p := p
		p.next = next
		return &p
	}
}

// idempotent is a route's policy.
type idempotent struct {
	*Idempotency
	config   config.Idempotency
	service  string
	patience time.Duration
	left     *left
	next     http.Handler
}

func (p *idempotent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost && r.Method != http.MethodPatch {
		p.next.ServeHTTP(w, r)
		return
	}
	key, err := idempotency.KeyOf(r)
	if p.config.Mode == config.KeyOptional && errors.Is(err, idempotency.ErrNoKey) {
		p.count("unkeyed")
		p.next.ServeHTTP(w, r)
		return
	}
	body := kept{room: &p.room}
	defer body.release()
	if refused := p.admit(r, err, &body); refused != nil {
		p.refuse(w, r, refused)
		return
	}
	// Whoever leaves now has sent everything: it is done, and he may ask for it.
	found, err := p.claims.Take(context.WithoutCancel(r.Context()), claim.KeyOf(p.service, caller.Of(r, p.config.Caller), key),
		claim.Print(idempotency.FingerprintOf(r, body.b)), p.config.TTL)
	switch {
	case err != nil:
		p.late.begin(func(ctx context.Context) { found.Claim.Abandon(ctx) }) // once: or its lease ends it
		p.unavailable(w, r, err)
	case found.State == claim.InFlight, found.State == claim.Mismatch, found.State == claim.Done && !found.Answer.Kept:
		problem.Write(w, r, p.repeated(found))
	case found.State == claim.Done:
		p.count("replayed")
		replay(w, r, found.Answer)
	default:
		if found.State == claim.TakenOver {
			p.taken.Inc()
			p.log.Warn("key taken over: its request may have its effect twice", "service", p.service, "path", clip(r.URL.Path))
		}
		p.run(w, r, found.Claim, body.b)
	}
}

func (p *idempotent) refuse(w http.ResponseWriter, r *http.Request, refused *problem.Problem) {
	if refused.Status == http.StatusServiceUnavailable {
		p.count("overloaded")
	} else {
		p.count("refused")
	}
	problem.Write(w, r, refused)
}

// unavailable answers while the store is away. Nothing is sent to a node then, whatever the mode: a client that sends a key
// relies on it.
func (p *idempotent) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	p.count("unavailable")
	problem.Write(w, r, &problem.Problem{Status: http.StatusServiceUnavailable, Reason: "store_unavailable", RetryAfter: time.Second, Err: err,
		Detail: "the store of idempotency keys does not answer, and nothing was done: try again with the same key"})
}

// repeated is the answer to a request that is not sent to a node because of another one under its key.
func (p *idempotent) repeated(found claim.Found) *problem.Problem {
	switch found.State {
	case claim.InFlight:
		p.count("in_flight")
		return &problem.Problem{Status: http.StatusConflict, Reason: "key_in_flight", RetryAfter: max(found.Wait, time.Second),
			Detail: "a request under this Idempotency-Key is being worked on: try again with the same key"}
	case claim.Mismatch:
		p.count("mismatch")
		return &problem.Problem{Status: http.StatusUnprocessableEntity, Reason: "key_reused",
			Detail: "this Idempotency-Key was used for another request, and nothing was done"}
	}
	p.count("unrepeatable")
	return &problem.Problem{Status: http.StatusGone, Reason: "answer_not_kept",
		Detail: "the request under this Idempotency-Key was done and answered" + statusText(found.Answer.Status) +
			", but its answer was too large to keep or broke off: it is not done again"}
}

func statusText(status int) string {
	if status == 0 {
		return ""
	}
	return " with status " + strconv.Itoa(status)
}
