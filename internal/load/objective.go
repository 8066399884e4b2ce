package load

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Objective is what a target has to keep. The zero value asks for nothing but that the throughput follows the rate.
type Objective struct {
	latencies []latencyLimit
	errors    *float64
}

type latencyLimit struct {
	name     string
	quantile float64
	limit    time.Duration
}

var quantiles = map[string]float64{"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999, "p99.9": 0.999, "max": 1}

const wantObjective = "want for example p99=200ms,errors=0.1%"

// UnmarshalText reads "p99=200ms,errors=0.1%": latencies as p50, p90, p95, p99, p999 or max.
func (o *Objective) UnmarshalText(text []byte) error {
	*o = Objective{}
	for part := range strings.SplitSeq(string(text), ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		q, latency := quantiles[name]
		switch {
		case !ok:
			return fmt.Errorf("objective %q: %s", part, wantObjective)
		case o.has(name):
			return fmt.Errorf("objective %q: it is given twice", name)
		case latency:
			d, err := time.ParseDuration(value)
			if err != nil || d <= 0 || d > time.Hour {
				return fmt.Errorf("objective %q: want a time above 0, up to 1h: %s=200ms", part, name)
			}
			o.latencies = append(o.latencies, latencyLimit{name, q, d})
		case name == "errors":
			share, err := parseShare(value)
			if err != nil {
				return fmt.Errorf("objective %q: %w", part, err)
			}
			o.errors = &share
		default:
			return fmt.Errorf("objective %q: not known; %s", part, wantObjective)
		}
	}
	return nil
}

func (o *Objective) has(name string) bool {
	for _, l := range o.latencies {
		if l.name == name {
			return true
		}
	}
	return name == "errors" && o.errors != nil
}

// parseShare reads a share of errors. Without a percent sign it has two readings: errors=0.1 is 10 % to one and 0.1 % to
// another.
func parseShare(text string) (float64, error) {
	digits, sign := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(digits, 64)
	switch {
	case err == nil && !sign && v > 0 && v < 1:
		return 0, fmt.Errorf("want a percent sign: errors=%s, or errors=%s%%", percent(v), digits)
	case err == nil && !sign && v >= 1 && v < 100:
		return 0, fmt.Errorf("want a percent sign: errors=%s%%", digits)
	case err != nil || !(v >= 0 && v < 100):
		return 0, errors.New("want a share of 0% to below 100%: errors=0.1%")
	}
	return v / 100, nil
}

// Asks reports whether there is anything to keep.
func (o Objective) Asks() bool { return len(o.latencies) > 0 || o.errors != nil }

func (o Objective) String() string {
	var parts []string
	for _, l := range o.latencies {
		parts = append(parts, fmt.Sprintf("%s=%v", l.name, l.limit))
	}
	if o.errors != nil {
		parts = append(parts, "errors="+percent(*o.errors))
	}
	return strings.Join(parts, ",")
}

func percent(share float64) string {
	return strconv.FormatFloat(math.Round(share*1e6)/1e4, 'f', -1, 64) + "%"
}

// Outcome is what a step says about the objective.
type Outcome string

const (
	Held      Outcome = "held"
	Broke     Outcome = "broke"
	Undecided Outcome = "undecided" // the limit lies within what chance explains
	Unknown   Outcome = "unknown"   // the step cannot be believed
)

// Verdict is an outcome with its reason.
type Verdict struct {
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason"`
}

// Judge says whether steps at one rate keep the objective. Their distributions are joined, never averaged. With final,
// what is undecided by its interval is decided by its value.
//
// A generator that is late or short of something makes a target look worse, never better: when the objective held
// nevertheless, it held. When latency or throughput did not, only steps that can be believed count, and those that broke
// it by far more than they were late.
func (o Objective) Judge(steps []*Step, final bool) Verdict {
	v, _ := o.judgeJoined(steps, final)
	return v
}

// judgeJoined is Judge, with the steps that the verdict is about.
func (o Objective) judgeJoined(steps []*Step, final bool) (v Verdict, of []*Step) {
	var whole, believed []*Step
	for _, s := range steps {
		if !s.Incomplete {
			whole = append(whole, s)
		}
		if !s.ours || s.lateOnly && o.brokeAnyway(s) {
			believed = append(believed, s)
		}
	}
	if v = o.judge(whole, final); v.Outcome == Held {
		return v, whole
	}
	if v = o.judgeErrors(whole, final); v.Outcome == Broke { // a late request fails no more than one in time
		return v, whole
	}
	if len(believed) == 0 && len(steps) > 0 {
		return Verdict{Unknown, "no step can be believed: " + steps[len(steps)-1].InvalidReason}, nil
	}
	return o.judge(believed, final), believed
}

// brokeAnyway says that a step broke the objective by more than the lateness of the generator explains: being late delays
// a request by as much, and by what a small clump of requests adds.
func (o Objective) brokeAnyway(s *Step) bool {
	const clump = 10
	lag := time.Duration(s.LagP99 * float64(time.Millisecond))
	for _, l := range o.latencies {
		if low, _ := s.latency.interval(l.quantile); low > l.limit+clump*lag {
			return true
		}
	}
	return s.behind() > (1-followShare)*s.planned+clump*lag.Seconds()*s.Offered
}

func (o Objective) judge(steps []*Step, final bool) Verdict {
	var latency histogram
	var requests int64
	var planned, behind float64
	for _, s := range steps {
		latency.merge(s.latency)
		requests += s.Requests
		planned, behind = planned+s.planned, behind+s.behind()
	}
	if requests == 0 {
		return Verdict{Unknown, "nothing was answered"}
	}
	var undecided []string
	if planned > 0 && behind > (1-followShare)*planned {
		return Verdict{Broke, fmt.Sprintf("the throughput did not follow the rate: %.0f%% of it", 100*(1-behind/planned))}
	}
	switch v := o.judgeErrors(steps, final); v.Outcome {
	case Broke:
		return v
	case Undecided:
		undecided = append(undecided, v.Reason)
	}
	for _, l := range o.latencies {
		at := latency.quantile(l.quantile)
		low, high := latency.interval(l.quantile)
		switch {
		case low > l.limit || final && at > l.limit:
			return Verdict{Broke, fmt.Sprintf("%s %v, limit %v", l.name, round(at), l.limit)}
		case high > l.limit && !final:
			undecided = append(undecided, fmt.Sprintf("%s between %v and %v, limit %v", l.name, round(low), round(high), l.limit))
		}
	}
	if len(undecided) > 0 {
		return Verdict{Undecided, strings.Join(undecided, "; ")}
	}
	return Verdict{Held, "the objective held"}
}

// judgeErrors looks at the errors alone. What the generator itself was short of is no error of the target.
func (o Objective) judgeErrors(steps []*Step, final bool) Verdict {
	var failed, requests int64
	for _, s := range steps {
		failed += s.failed - s.Faults[outOfPorts] - s.Faults[outOfDescriptors]
		requests += s.Requests
	}
	if o.errors == nil || requests == 0 {
		return Verdict{Outcome: Held}
	}
	at, low := share(failed, requests), wilsonLow(failed, requests)
	switch {
	case at > *o.errors && (final || low > *o.errors):
		return Verdict{Broke, fmt.Sprintf("errors %s, limit %s", percent(at), percent(*o.errors))}
	case at > *o.errors:
		return Verdict{Undecided, fmt.Sprintf("errors %s, at least %s, limit %s", percent(at), percent(low), percent(*o.errors))}
	}
	return Verdict{Outcome: Held}
}

func round(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}

// wilsonLow is the lower end of the 95 % interval of a share.
func wilsonLow(part, all int64) float64 {
	const z = 1.96
	n := float64(all)
	p := float64(part) / n
	return max(0, (p+z*z/(2*n)-z*math.Sqrt(p*(1-p)/n+z*z/(4*n*n)))/(1+z*z/n))
}
