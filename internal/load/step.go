package load

import (
	"math"
	"time"
)

// Step is what one offered rate, or one number of users, came to. Rates are per second, of the unit that the document
// names; latencies are in milliseconds, of requests, from the moment at which each should have begun.
type Step struct {
	Offered       float64 `json:"offered,omitempty"` // absent in closed load
	Users         int     `json:"users,omitempty"`   // absent in open load
	Achieved      float64 `json:"achieved"`          // ended per second
	P50           float64 `json:"p50_ms"`
	P90           float64 `json:"p90_ms"`
	P99           float64 `json:"p99_ms"`
	P999          float64 `json:"p999_ms"`
	Max           float64 `json:"max_ms"`
	Errors        float64 `json:"errors"` // share of the requests, 0 to 1
	Valid         bool    `json:"valid"`
	InvalidReason string  `json:"invalid_reason,omitempty"`

	P99Low  float64 `json:"p99_low_ms"` // the 95 % interval of the 99th percentile
	P99High float64 `json:"p99_high_ms"`

	// Service is the time from when a request was really sent: what a load generator would report that waits for one
	// answer before it sends the next request.
	Service Service `json:"service"`

	Requests        int64            `json:"requests"`
	RequestRate     float64          `json:"requests_per_s"`
	Faults          map[string]int64 `json:"faults,omitempty"`     // what was wrong, and how often
	InFlight        float64          `json:"in_flight"`            // visits under way or waiting, on average
	Unserved        int64            `json:"unserved,omitempty"`   // visits that found no free connection until the end
	Missed          int64            `json:"missed,omitempty"`     // visits that the generator came too late for
	Late            float64          `json:"late"`                 // share of requests that left more than 1 ms late
	LagP99          float64          `json:"lag_p99_ms"`           // how late the generator was
	CPU             float64          `json:"generator_cpu"`        // share of the cores it may use
	RecoverySeconds float64          `json:"recovery_s,omitempty"` // before the step, until the target was done with the one before
	WarmupSeconds   float64          `json:"warmup_s"`
	Steady          bool             `json:"steady"` // the warm-up ended because the target was warm
	MeasuredSeconds float64          `json:"measured_s"`
	Incomplete      bool             `json:"incomplete,omitempty"` // it was interrupted

	Parts []Part `json:"journey,omitempty"` // of the requests, those of each step of the journey

	Verdict *Verdict `json:"verdict,omitempty"` // about the objective, when there is one
	Joined  *Joined  `json:"joined,omitempty"`  // what the verdict is about, where it took several steps at one rate

	ours     bool // the doubt is about the generator, so the step says nothing of the target
	lateOnly bool // and it is about nothing but lateness
	latency  histogram
	failed   int64
	planned  float64 // visits
	finished float64
	chance   float64 // how many visits arrivals and ends may differ by without meaning anything
}

// Service is the distribution of service times, in milliseconds.
type Service struct {
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	Max  float64 `json:"max_ms"`
}

func milliseconds(d time.Duration) float64 { return math.Round(float64(d)/1e3) / 1e3 }

// step puts together what the users saw. It is called when all of them are gone.
func (r *run) step() *Step {
	var t tally
	for _, part := range r.tallies {
		t.add(part)
	}
	took := max(r.note.took.Seconds(), 1e-9)
	s := &Step{
		Offered: r.rate, Users: r.closed,
		P50: milliseconds(t.latency.quantile(0.5)), P90: milliseconds(t.latency.quantile(0.9)),
		P99: milliseconds(t.latency.quantile(0.99)), P999: milliseconds(t.latency.quantile(0.999)),
		Max: milliseconds(t.latency.max()),
		Service: Service{
			P50: milliseconds(t.service.quantile(0.5)), P99: milliseconds(t.service.quantile(0.99)),
			P999: milliseconds(t.service.quantile(0.999)), Max: milliseconds(t.service.max()),
		},
		Achieved: float64(t.finished) / took,
		Requests: t.requests, RequestRate: float64(t.requests) / took,
		Errors: share(t.failed, t.requests), Faults: t.faults,
		InFlight: t.present.Seconds() / took,
		Late:     share(t.late, t.requests), LagP99: milliseconds(t.lag.quantile(0.99)),
		CPU: r.note.cpu, WarmupSeconds: r.note.warmup.Seconds(), Steady: r.note.steady,
		MeasuredSeconds: r.note.took.Seconds(), Incomplete: r.note.incomplete,
		latency: t.latency, failed: t.failed, finished: float64(t.finished),
	}
	s.Parts = t.named(r.g.parts)
	low, high := t.latency.interval(0.99)
	s.P99Low, s.P99High = milliseconds(low), milliseconds(high)
	if r.line != nil {
		s.planned = math.Round(r.rate * r.note.took.Seconds())
		s.Missed, s.Unserved = r.line.missed, t.unserved
	}
	s.chance = chance(r, &t)
	s.doubt(r, &t)
	return s
}

// Empty says that the step was interrupted before anything was measured.
func (s *Step) Empty() bool { return s.Incomplete && s.Requests == 0 }

func share(part, all int64) float64 { return float64(part) / math.Max(1, float64(all)) }

// chance is by how much arrivals and ends of visits may differ over a window although the target keeps up: those that
// are under way at its edges. Their usual number comes from the quicker visits and from the visitors' own pauses, which a
// growing queue does not blur. One visit that the end of the window cuts off shows nothing, however quick the others were.
func chance(r *run, t *tally) float64 {
	each := max(t.visits.quantile(0.25), r.g.pauses)
	usual := r.rate * each.Seconds()
	edges := max(1, 3*math.Sqrt(2*usual))
	if r.note.warmup < 2*each { // it began empty
		edges += usual
	}
	return edges
}

// behind is how many visits more began than ended, beyond what chance explains.
func (s *Step) behind() float64 { return max(0, s.planned-s.finished-s.chance) }
