// Package load sends an HTTP service a known load and measures latency, throughput and errors.
//
// The load is open by default: visits begin at the times of a schedule, whether or not earlier visits have ended. A
// latency counts from the scheduled time. So the latencies of a stalled target include the wait of every visitor who
// arrived during the stall. In closed load, a fixed number of users wait for each response.
//
// A [Generator] makes the load. [Generator.Run] measures one rate or one number of users, or searches for the knee: the
// highest rate at which the objective passes. It returns a [curve.Document]. [Scaling] combines the documents of
// several fleet sizes.
//
// A step whose results are not credible is marked as invalid, with the reasons.
package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/journey"
	"github.com/tenfold-go/tenfold/internal/load/arrivals"
	"github.com/tenfold-go/tenfold/internal/report"
)

// Generator makes load. Its methods are for one goroutine at a time. Each method owns the goroutines and connections
// that it starts and returns after all of them have ended.
type Generator struct {
	options   *Options
	unit      curve.Unit
	visits    visitSource
	close     func()
	runs      uint64 // so far; each has its own seed
	schedules uint64 // so far; each has its own seed
}

// New returns a generator that repeats the request of the target. A visit is one request. It fails if an option is out
// of range.
func New(t *Target, o *Options) (*Generator, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	g := &Generator{options: o, unit: curve.Requests, visits: visitSource{url: t.url}, close: func() {}}
	if t.url.Scheme == "https" {
		transport := newTransport(o)
		g.close = transport.CloseIdleConnections
		g.visits.newCaller = func(uint64, int) caller { return &netHTTPCaller{t, transport} }
	} else {
		g.visits.newCaller = func(uint64, int) caller { return &rawCaller{target: t} }
	}
	return g, nil
}

// NewJourney returns a generator whose visits follow j at the service at base. Rates count visits. Latencies and errors
// are those of the requests of the visits. It fails if base is not a URL or an option is out of range.
func NewJourney(j *journey.Journey, base string, o *Options) (*Generator, error) {
	u, err := ParseURL(base)
	if err != nil {
		return nil, err
	}
	o, err = o.withDefaults()
	if err != nil {
		return nil, err
	}
	names, numbers := numberSteps(j)
	g := &Generator{
		options: o, unit: curve.Visits, close: func() {},
		visits: visitSource{url: u, meanPause: j.MeanPause(), stepNames: names},
	}
	var transport *http.Transport
	if u.Scheme == "https" {
		transport = newTransport(o)
		g.close = transport.CloseIdleConnections
	}
	var visits atomic.Int64
	g.visits.newCaller = func(seed uint64, number int) caller {
		return &journeyCaller{
			journey: j, base: u.URL, visits: &visits, steps: numbers, transport: transport,
			random: rand.New(rand.NewPCG(seed, uint64(number))),
		}
	}
	return g, nil
}

// Close closes the idle connections that are kept between steps.
func (g *Generator) Close() error {
	g.close()
	return nil
}

// Rate measures one step of open load at rate visits per second. If ctx ends, it ends the step and returns it as
// incomplete. An error means that nothing was measured.
func (g *Generator) Rate(ctx context.Context, rate float64) (*Step, error) {
	if !(rate > 0 && rate <= MaxRate) {
		return nil, fmt.Errorf("rate %s: want above 0, up to %s %s", report.Short(rate), report.Short(MaxRate), g.unit)
	}
	if n := rate * g.options.Duration.Seconds(); n < 1 {
		return nil, fmt.Errorf("rate %s %s: less than one visit in %v", report.Short(rate), g.unit, g.options.Duration)
	}
	timer, err := g.options.newTimer()
	if err != nil {
		return nil, fmt.Errorf("make timer: %w", err)
	}
	defer timer.Close()
	return g.newRun(&openLoad{rate: rate, timer: timer, newSchedule: g.newSchedule}).measure(ctx), nil
}

// Users measures one step of closed load: n users, each of which begins its next visit when the last one has ended. It
// fails if there are more users than connections.
func (g *Generator) Users(ctx context.Context, n int) (*Step, error) {
	if most := min(MaxUsers, g.options.Connections); n < 1 || n > most {
		return nil, fmt.Errorf("%d users: want 1 to %d, each with its own connection", n, most)
	}
	return g.newRun(&closedLoad{users: n}).measure(ctx), nil
}

func (g *Generator) newRun(w workload) *run {
	g.runs++
	return newRun(g.options, &g.visits, w, g.options.Seed^g.runs)
}

func (g *Generator) newSchedule(rate float64, span time.Duration) *arrivals.Schedule {
	g.schedules++
	return arrivals.New(g.options.Arrivals, rate, span, g.options.Seed^g.schedules*0x9e3779b97f4a7c15)
}
