package load

import (
	"math"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
)

// Step is one measured step: what the document shows, and what a verdict needs besides.
type Step struct {
	curve.Step

	latency  histogram
	failed   int64
	planned  float64   // visits of the schedule; 0 in closed load
	finished float64   // visits that ended
	chance   float64   // visits by which planned and finished may differ although the target keeps up
	open     bool      // visits had times of a schedule, so that the generator could be late
	lag      histogram // how late the generator sent the requests
	doubts   []doubt   // all but the lateness of the generator
	ownFault bool      // the step is invalid because of the generator, so it says nothing about the target
	onlyLate bool      // and the only reason is that the generator was late
}

// measurement is what a run knows besides the tallies of its users.
type measurement struct {
	warmup, took time.Duration
	steady       bool
	incomplete   bool
	cpu          float64 // share of the cores
}

// newStep returns the step with the results of a run. The steps of a journey have the given names.
func newStep(t *tally, m measurement, names []string) *Step {
	took := max(m.took.Seconds(), 1e-9)
	s := &Step{
		Step: curve.Step{
			Achieved: float64(t.finished) / took,
			Requests: t.requests, RequestRate: float64(t.requests) / took,
			Errors: share(t.failed, t.requests), ErrorKinds: t.kinds, Repeated: t.repeated,
			Service: curve.ServiceTimes{
				P50: milliseconds(t.service.quantile(0.5)), P99: milliseconds(t.service.quantile(0.99)),
				P999: milliseconds(t.service.quantile(0.999)), Max: milliseconds(t.service.max()),
			},
			InFlight:  t.present.Seconds() / took,
			LateShare: share(t.late, t.requests), LagP99: milliseconds(t.lag.quantile(0.99)),
			GeneratorCPU: m.cpu, WarmupSeconds: m.warmup.Seconds(), Steady: m.steady,
			MeasuredSeconds: m.took.Seconds(), Incomplete: m.incomplete,
			Journey: stepStats(t, names),
		},
		latency: t.latency, lag: t.lag, failed: t.failed, finished: float64(t.finished),
	}
	q := quantilesOf(&t.latency)
	s.P50, s.P90, s.P99, s.P999, s.Max, s.P99Low, s.P99High = q.P50, q.P90, q.P99, q.P999, q.Max, q.P99Low, q.P99High
	return s
}

// stepStats returns the results by step of the journey.
func stepStats(t *tally, names []string) (stats []curve.StepStats) {
	for i, s := range t.steps {
		stats = append(stats, curve.StepStats{
			Name: names[i], Requests: s.requests, Errors: share(s.failed, s.requests),
			P50: milliseconds(s.latency.quantile(0.5)), P99: milliseconds(s.latency.quantile(0.99)),
		})
	}
	return stats
}

// merge returns the result of several steps at one rate, out of the number of steps that were measured.
func merge(steps []*Step, of int) *curve.Merged {
	var latency histogram
	var requests, failed int64
	var finished, took float64
	for _, s := range steps {
		latency.merge(s.latency)
		requests, failed = requests+s.Requests, failed+s.failed
		finished, took = finished+s.finished, took+s.MeasuredSeconds
	}
	m := quantilesOf(&latency)
	m.Steps, m.Of, m.Requests = len(steps), of, requests
	m.Achieved, m.Errors = finished/max(took, 1e-9), share(failed, requests)
	return &m
}

// quantilesOf returns the latencies of a step or of several.
func quantilesOf(h *histogram) curve.Merged {
	low, high := h.interval(0.99)
	return curve.Merged{
		P50: milliseconds(h.quantile(0.5)), P90: milliseconds(h.quantile(0.9)), P99: milliseconds(h.quantile(0.99)),
		P999: milliseconds(h.quantile(0.999)), Max: milliseconds(h.max()),
		P99Low: milliseconds(low), P99High: milliseconds(high),
	}
}

// behind returns how many visits more began than ended, beyond what chance explains.
func (s *Step) behind() float64 { return max(0, s.planned-s.finished-s.chance) }

func milliseconds(d time.Duration) float64 { return math.Round(float64(d)/1e3) / 1e3 }

func share(n, of int64) float64 { return float64(n) / math.Max(1, float64(of)) }
