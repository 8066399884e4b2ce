// Package idempotent gives requests with the same Idempotency-Key one effect and one response, for services that do not do so
// themselves.
//
//	claim the key -> service -> record the response -> respond
//
// The gateway cannot put the effect and the record into one transaction. Its rule: a request that is known to have had its effect
// is not sent again; a request that may not have had it is. A gateway or node that dies while a request runs leaves a claim
// whose lease expires, and the repetition is sent to a node again.
//
// While a request runs, its gateway renews the lease of the claim, so a slow request keeps it. At the end the gateway
// records the response under the key, or gives up the claim.
package idempotent

import (
	"cmp"
	"log/slog"
	"net/http"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/internal/config"
)

// Options tune a Shared. Zero fields mean their defaults.
type Options struct {
	Log     *slog.Logger // requests that may have had two effects; default: discard
	Metrics *Metrics     // default: not exported

	// Lease is how long a claim holds without a renewal; its owner renews it three times in that time; default 30s, at least
	// 1ms. A repetition waits this long after a gateway died, and the store may be unreachable this long without the loss of
	// a claim.
	Lease time.Duration
	// StoreTimeout is how long the store may take for one reply; default 1s.
	StoreTimeout time.Duration
}

// Shared is what all routes with idempotency share in a gateway. Its Policy serves one route.
type Shared struct {
	claims     *claims
	log        *slog.Logger
	metrics    *Metrics
	background *background
	memory     memoryBudget         // for the request bodies of all routes
	detached   map[string]*detached // by service
}

// New returns a Shared whose claims are in the store that client connects to. client is called before each use, and may return
// an error while the store cannot be reached. New starts nothing; Kill ends what the policies start.
func New(client func() (rueidis.Client, error), o *Options) *Shared {
	if o == nil {
		o = &Options{}
	}
	s := &Shared{
		claims: newClaims(client, o.Lease, o.StoreTimeout), log: o.Log, metrics: o.Metrics,
		background: newBackground(), detached: map[string]*detached{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.metrics == nil {
		s.metrics = NewMetrics(nil)
	}
	s.memory.free.Store(bodyMemory)
	return s
}

// Kill cancels the requests that run without their clients, and the store updates that outlive their requests. It returns when
// these updates have ended.
func (s *Shared) Kill() { s.background.kill() }

// Policy returns the policy of one route to a service. It applies to POST and PATCH, the methods that are not idempotent. It must
// come after the policies that refuse callers, since a recorded response is sent without asking the service. Policy is not safe
// for concurrent use; the policy is.
//
// A request whose client has disconnected runs for at most the Timeout of the service, so that a repetition finds the response;
// 0 means a minute. Reading a body may take as long.
func (s *Shared) Policy(c config.Idempotency, service *config.Service) func(http.Handler) http.Handler {
	if s.detached[service.Name] == nil {
		s.detached[service.Name] = newDetached(service.Limit.InFlight)
	}
	h := handler{
		Shared: s, config: c, service: service.Name,
		timeout: cmp.Or(service.Timeout, time.Minute), detached: s.detached[service.Name],
	}
	return func(next http.Handler) http.Handler {
		h := h
		h.next = next
		return &h
	}
}
