package load

import "fmt"

// Joined is what several steps at one rate came to together: the quantiles are those of all their requests. Units are
// those of Step.
type Joined struct {
	Steps    int     `json:"steps"` // that can be believed,
	Of       int     `json:"of"`    // out of so many that were measured
	Requests int64   `json:"requests"`
	Achieved float64 `json:"achieved"`
	P50      float64 `json:"p50_ms"`
	P90      float64 `json:"p90_ms"`
	P99      float64 `json:"p99_ms"`
	P999     float64 `json:"p999_ms"`
	Max      float64 `json:"max_ms"`
	P99Low   float64 `json:"p99_low_ms"`
	P99High  float64 `json:"p99_high_ms"`
	Errors   float64 `json:"errors"`
}

func join(steps []*Step, of int) *Joined {
	var latency histogram
	var failed int64
	var finished, took float64
	j := &Joined{Steps: len(steps), Of: of}
	for _, s := range steps {
		latency.merge(s.latency)
		j.Requests, failed = j.Requests+s.Requests, failed+s.failed
		finished, took = finished+s.finished, took+s.MeasuredSeconds
	}
	j.Achieved, j.Errors = finished/max(took, 1e-9), share(failed, j.Requests)
	j.P50, j.P90 = milliseconds(latency.quantile(0.5)), milliseconds(latency.quantile(0.9))
	j.P99, j.P999 = milliseconds(latency.quantile(0.99)), milliseconds(latency.quantile(0.999))
	j.Max = milliseconds(latency.max())
	low, high := latency.interval(0.99)
	j.P99Low, j.P99High = milliseconds(low), milliseconds(high)
	return j
}

// text says what was joined.
func (j *Joined) text() string {
	if j.Steps == j.Of {
		return fmt.Sprintf("the %d together", j.Of)
	}
	return fmt.Sprintf("by %d of the %d", j.Steps, j.Of)
}

// together is what was found at the step's rate, with the steps before it where the verdict took them as well.
func (s *Step) together() Joined {
	if s.Joined != nil {
		return *s.Joined
	}
	return Joined{
		Steps: 1, Of: 1, Requests: s.Requests, Achieved: s.Achieved, P50: s.P50, P90: s.P90, P99: s.P99, P999: s.P999, Max: s.Max,
		P99Low: s.P99Low, P99High: s.P99High, Errors: s.Errors,
	}
}
