package load

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/journey"
)

// journeyCaller makes the visits of a journey.
type journeyCaller struct {
	journey    *journey.Journey
	base       *url.URL
	visits     *atomic.Int64         // begun by all users
	steps      map[*journey.Step]int // numbers of the steps, from 1
	random     *rand.Rand
	transport  *http.Transport // nil without TLS
	connection connection      // not used with TLS
	repeated   int             // requests of the current step that were sent again
}

// visit makes one visit. A step that fails ends the visit, because later steps depend on it.
func (c *journeyCaller) visit(ctx context.Context, u *user, scheduled, free time.Duration) visitEnd {
	v := c.journey.Visit(c.base, c.visits.Add(1)-1, c.random)
	transport := c.over(ctx, u.run)
	for i, s := range v.Steps {
		sent := u.run.now()
		res := c.do(ctx, u.run, v, s, transport)
		done := u.run.now()
		u.tally.request(scheduled, free, sent, done, res)
		if res.kind != "" || res.aborted || i == len(v.Steps)-1 {
			return visitEnd{at: done, aborted: res.aborted, refused: res.noLatency}
		}
		if !u.run.pause(s.Think.Pause(c.random)) {
			return visitEnd{at: u.run.now(), aborted: true}
		}
		scheduled = u.run.now() // after the pause, so that a timer that fires late does not count as latency
		free = scheduled
	}
	return visitEnd{at: u.run.now()}
}

func (c *journeyCaller) tryVisits(ctx context.Context, u *user) {
	transport := c.over(ctx, u.run)
	for _, visitor := range c.journey.Visitors {
		v := c.journey.VisitAs(visitor, c.base)
		for _, s := range v.Steps {
			sent := u.run.now()
			res := c.do(ctx, u.run, v, s, transport)
			u.tally.request(sent, sent, sent, u.run.now(), res)
			if res.kind != "" || res.aborted {
				return
			}
		}
	}
}

// over returns the transport of a visit. The connection of the user lives as long as ctx, not only as long as one
// request.
func (c *journeyCaller) over(ctx context.Context, r *run) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		if c.transport != nil {
			return repeatClosed(c.transport, req, &c.repeated)
		}
		return c.connection.roundTrip(ctx, r, req, &c.repeated)
	})
}

// do makes the request of one step.
func (c *journeyCaller) do(
	ctx context.Context, r *run, v *journey.Visit, s *journey.Step, transport http.RoundTripper,
) result {
	limited, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	c.repeated = 0
	_, err := v.Do(limited, s, transport)
	var res result
	var failed *journey.Error
	switch {
	case err == nil:
	case errors.As(err, &failed):
		res.kind = curve.ErrorKind(failed.Kind())
	default:
		res = failure(ctx, err)
	}
	res.step, res.repeated = c.steps[s], c.repeated
	return res
}

func (c *journeyCaller) close() { c.connection.close() }

// maxSteps bounds how many steps of a journey are counted separately. Further ones count only in the total.
const maxSteps = 100

// numberSteps returns the names of the steps of j, and their numbers from 1.
func numberSteps(j *journey.Journey) (names []string, numbers map[*journey.Step]int) {
	numbers = map[*journey.Step]int{}
	for _, v := range j.Visitors {
		for _, s := range v.Steps {
			if len(names) == maxSteps {
				return names, numbers
			}
			name := s.Name
			if len(j.Visitors) > 1 {
				name = v.Name + ": " + name
			}
			names = append(names, name)
			numbers[s] = len(names)
		}
	}
	return names, numbers
}
