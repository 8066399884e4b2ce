package curve

// Step is the result of one offered rate or one number of users. Its latencies are those of requests and count from the
// moment at which each request should have been sent.
type Step struct {
	Offered       float64 `json:"offered,omitempty"` // 0 in closed load
	Users         int     `json:"users,omitempty"`   // 0 in open load
	Achieved      float64 `json:"achieved"`          // visits that ended, per second
	P50           float64 `json:"p50_ms"`
	P90           float64 `json:"p90_ms"`
	P99           float64 `json:"p99_ms"`
	P999          float64 `json:"p999_ms"`
	Max           float64 `json:"max_ms"`
	Errors        float64 `json:"errors"` // share of the requests
	Valid         bool    `json:"valid"`  // the load generator found no reason to distrust the step
	InvalidReason string  `json:"invalid_reason,omitempty"`

	P99Low  float64 `json:"p99_low_ms"` // 95 % confidence interval of the 99th percentile
	P99High float64 `json:"p99_high_ms"`

	// Service is the distribution of service times: from the moment a request was really sent. A load generator that
	// waits for one response before it sends the next request reports these.
	Service ServiceTimes `json:"service"`

	Requests        int64               `json:"requests"`
	RequestRate     float64             `json:"requests_per_s"`
	ErrorKinds      map[ErrorKind]int64 `json:"faults,omitempty"`          // failed requests by kind
	Repeated        int64               `json:"repeated,omitempty"`        // sent again: the target had closed a kept connection
	InFlight        float64             `json:"in_flight"`                 // mean number of visits in progress or waiting
	Unserved        int64               `json:"unserved,omitempty"`        // visits that got no connection before the end
	Missed          int64               `json:"missed,omitempty"`          // visits for which the generator was too late
	LateShare       float64             `json:"late"`                      // share of requests sent more than 1 ms late
	LagP99          float64             `json:"lag_p99_ms"`                // 99th percentile of the lateness of sending
	GeneratorCPU    float64             `json:"generator_cpu"`             // share of the cores available to the generator
	AchievedMargin  float64             `json:"achieved_margin,omitempty"` // Achieved is known to ± this share, if above 0.1
	RecoverySeconds float64             `json:"recovery_s,omitempty"`      // wait before the step for a recovered target
	WarmupSeconds   float64             `json:"warmup_s"`
	Steady          bool                `json:"steady"` // rate and latency were stable at the end of the warm-up
	MeasuredSeconds float64             `json:"measured_s"`
	Incomplete      bool                `json:"incomplete,omitempty"` // the step was interrupted

	Journey []StepStats `json:"journey,omitempty"` // the same requests by step of the journey

	Verdict *Verdict `json:"verdict,omitempty"` // nil: no objective was given
	Merged  *Merged  `json:"joined,omitempty"`  // what the verdict is about, if it took several steps at one rate
}

// ErrorKind names one kind of failed request, for example "timeout" or "status 503".
type ErrorKind string

// ServiceTimes is a distribution of service times.
type ServiceTimes struct {
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	Max  float64 `json:"max_ms"`
}

// StepStats is the result of one step of a journey. Its latencies have two significant digits.
type StepStats struct {
	Name     string  `json:"name"` // starts with the name of the visitor if the journey has several
	Requests int64   `json:"requests"`
	Errors   float64 `json:"errors"` // share of the requests
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
}

// Merged is the result of several steps at one rate. Its quantiles are those of all their requests together.
type Merged struct {
	Steps    int     `json:"steps"` // steps that the verdict used
	Of       int     `json:"of"`    // steps that were measured at this rate
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

// Empty reports whether the step was interrupted before it measured a request.
func (s *Step) Empty() bool { return s.Incomplete && s.Requests == 0 }

// Outcome returns the outcome of the verdict, or "" if the step has none.
func (s *Step) Outcome() Outcome {
	if s.Verdict == nil {
		return ""
	}
	return s.Verdict.Outcome
}

// Credible reports whether the step says something about the target: it is valid, or its verdict is pass or fail. The
// verdict has already weighed the doubts about an invalid step. A step that failed is often invalid, because the queue
// of an overloaded target grows.
func (s *Step) Credible() bool { return s.Valid || s.Outcome().Decided() }

// Overall returns the result at the rate of the step: of all steps that its verdict used, or of the step alone.
func (s *Step) Overall() Merged {
	if s.Merged != nil {
		return *s.Merged
	}
	return Merged{
		Steps: 1, Of: 1, Requests: s.Requests, Achieved: s.Achieved, P50: s.P50, P90: s.P90, P99: s.P99, P999: s.P999,
		Max: s.Max, P99Low: s.P99Low, P99High: s.P99High, Errors: s.Errors,
	}
}
