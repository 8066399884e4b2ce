package policy

import (
	"net/http"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
)

// PauseOptions join a Pause with the gateway.
type PauseOptions struct {
	Replaced <-chan struct{} // closed when another configuration serves
	Stopping <-chan struct{} // closed when the gateway drains
	Again    http.Handler    // finds the route of a request in the configuration that serves
}

// Pause holds requests during a maintenance. When another configuration serves, they look for their route again: they are
// held on, for the rest of their time, if that one has the maintenance, too. A request passes on, to Maintenance, when its
// time is over, when too many are held already, and when the gateway drains.
//
// Pause is the first policy of a route, so that a request that looks for its route again has passed no other one.
func Pause(cfg config.Maintenance, o PauseOptions) Policy {
	held := make(chan struct{}, cfg.PauseRequests)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x := exchange.From(r)
			left := cfg.Pause - x.Paused
			if left <= 0 || contains(cfg.Allow, x.Client) {
				next.ServeHTTP(w, r)
				return
			}
			select {
			case held <- struct{}{}:
			default:
				next.ServeHTTP(w, r)
				return
			}
			again := o.wait(r, x, left)
			<-held
			switch {
			case r.Context().Err() != nil:
				problem.Write(w, r, problem.ClientGone)
			case again:
				o.Again.ServeHTTP(w, r)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

// bodyAfterPause is how long the first piece of a body may take after a pause.
const bodyAfterPause = 20 * time.Second

// wait waits at most for the time. It reports whether another configuration serves.
func (o *PauseOptions) wait(r *http.Request, x *exchange.Exchange, left time.Duration) (replaced bool) {
	if exchange.HasBody(r) {
		x.SetReadDeadline(time.Now().Add(left + bodyAfterPause)) // else it could pass while nothing reads the body
	}
	x.Release() // a held request must not keep the old configuration busy
	begun := time.Now()
	defer func() { x.Paused += time.Since(begun) }()
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-o.Replaced:
		return true
	case <-o.Stopping:
	case <-timer.C:
	case <-r.Context().Done():
	}
	return false
}
