package upstream

import (
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/balance"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// request is one request on its way through the pool, over all its attempts.
type request struct {
	*http.Request
	exchange *exchange.Exchange
	settings *Settings
	body     *replay
	traffic  *trafficShard // where the request is counted
	start    time.Duration // since epoch
	deadline time.Duration // since epoch; 0 when the service has no timeout
	key      uint64        // for the consistent hash
	limit    int64         // slots per node; 0 for no limit
	url      uint64        // tells URLs apart, see urlKey
	nodes    int           // eligible nodes when the request arrived

	attempts  int       // how many attempts have begun
	unreached int       // attempts among them that reached no node and are free
	moved     bool      // taken from a node that went down; the next time costs a retry
	suspects  []*member // nodes that answered 502, 503 or 504; see observe

	placed bool    // place is set
	place  float64 // see position

	view     *view // what the last pick used
	tried    []*member
	triedBuf [4]*member // backs tried, to save an allocation
}

// Skip implements balance.Skipper. It skips nodes without a free slot, and nodes that were tried before.
func (r *request) Skip(i int) bool {
	m := r.view.members[i]
	if r.limit > 0 && m.inFlight.Load() >= r.limit {
		return true
	}
	for _, t := range r.tried {
		if t == m {
			return true
		}
	}
	return false
}

// retryable reports whether the request may be sent to another node while an attempt waits for its response.
func (r *request) retryable() bool {
	return !r.body.streams() && (idempotent(r.Method) || hasKey(r.Request))
}

// urlKey returns a number that tells the URLs of a service apart. The query does not count.
func urlKey(req *http.Request, x *exchange.Exchange) uint64 {
	return balance.Key(req.URL.Path) ^ uint64(x.Route)*0x9e3779b97f4a7c15
}

// hashKey returns the key of a request for the consistent hash. It is random for a request that lacks what the service
// hashes by.
func (r *request) hashKey(b config.Balance) uint64 {
	if b.Picker != config.PickHash {
		return 0
	}
	var s string
	switch b.By {
	case config.HashByHeader:
		s = r.Header.Get(b.Name)
	case config.HashByCookie:
		if c, err := r.Cookie(b.Name); err == nil {
			s = c.Value
		}
	case config.HashByIP:
		if client := r.exchange.Client; client.IsValid() {
			s = client.String()
		}
	case config.HashByPath:
		s = r.URL.Path
	}
	if s == "" {
		return rand.Uint64()
	}
	return balance.Key(s)
}
