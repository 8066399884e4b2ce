package load

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/report"
)

// judge compares steps at one rate with the objective. It returns the verdict, and the steps that the verdict used. The
// distributions of the steps are merged, never averaged. If final is true, a value within its confidence interval is
// compared as it is instead of being inconclusive.
//
// A generator that is late or has no ports makes a target look slower, never faster. So a pass is a pass even in an
// invalid step. A fail counts only in steps that are credible, and in steps that miss the limit by far more than the
// generator was late.
func judge(o curve.Objective, steps []*Step, final bool) (v curve.Verdict, used []*Step) {
	var whole, credible []*Step
	for _, s := range steps {
		if !s.Incomplete {
			whole = append(whole, s)
		}
		if !s.ownFault || s.onlyLate && failsDespiteLag(o, s) {
			credible = append(credible, s)
		}
	}
	if v = judgeMerged(o, whole, final); v.Outcome == curve.Pass {
		return v, whole
	}
	if v = judgeErrors(o, whole, final); v.Outcome == curve.Fail { // a late request fails no more often than others
		return v, whole
	}
	if len(credible) > 0 {
		if v = judgeMerged(o, credible, final); v.Outcome != curve.Invalid {
			return v, credible
		}
	}
	v = curve.Verdict{Outcome: curve.Invalid, Reason: "no step is credible"}
	if len(steps) > 0 {
		v.Reason += ": " + steps[len(steps)-1].InvalidReason
	}
	return v, nil
}

// failsDespiteLag reports whether a step misses the objective by more than the lag of the generator explains. Lag
// delays a request, and the small burst of requests that follows delays it further.
func failsDespiteLag(o curve.Objective, s *Step) bool {
	const burst = 10
	for _, l := range o.Latencies {
		lag := s.lag.quantile(lagQuantile(l.Quantile))
		if low, _ := s.latency.interval(l.Quantile); low > l.Limit+burst*lag {
			return true
		}
	}
	return s.behind() > (1-minAchieved)*s.planned+burst*s.lag.quantile(0.99).Seconds()*s.Offered
}

// judgeMerged compares the merged steps with the throughput and all limits.
func judgeMerged(o curve.Objective, steps []*Step, final bool) curve.Verdict {
	var latency, lag histogram
	var requests int64
	var planned, behind float64
	for _, s := range steps {
		latency.merge(s.latency)
		if s.open {
			lag.merge(s.lag)
		}
		requests += s.Requests
		planned, behind = planned+s.planned, behind+s.behind()
	}
	if requests == 0 {
		return curve.Verdict{Outcome: curve.Invalid, Reason: "no request was answered"}
	}
	if planned > 0 && behind > (1-minAchieved)*planned {
		reason := fmt.Sprintf("the throughput was only %.0f%% of the offered rate", 100*(1-behind/planned))
		return curve.Verdict{Outcome: curve.Fail, Reason: reason}
	}
	var open []string // inconclusive limits
	switch v := judgeErrors(o, steps, final); v.Outcome {
	case curve.Fail:
		return v
	case curve.Inconclusive:
		open = append(open, v.Reason)
	}
	for _, l := range o.Latencies {
		switch v := judgeLatency(l, &latency, lag.quantile(lagQuantile(l.Quantile)), final); v.Outcome {
		case curve.Fail:
			return v
		case curve.Inconclusive:
			open = append(open, v.Reason)
		}
	}
	if len(open) > 0 {
		return curve.Verdict{Outcome: curve.Inconclusive, Reason: strings.Join(open, "; ")}
	}
	return curve.Verdict{Outcome: curve.Pass, Reason: "all limits were met"}
}

// judgeLatency compares a latency with its limit. The latency may contain up to lag that the generator added, so the lower
// end of the interval is lower by it: a fail that the lateness could explain is inconclusive. The upper end stays, because
// lateness never makes a latency shorter.
func judgeLatency(l curve.LatencyLimit, latency *histogram, lag time.Duration, final bool) curve.Verdict {
	at := latency.quantile(l.Quantile)
	low, high := latency.interval(l.Quantile)
	if lag > maxOnTime {
		low = max(0, low-lag)
	}
	switch {
	case low > l.Limit || final && at > l.Limit:
		return curve.Verdict{Outcome: curve.Fail, Reason: fmt.Sprintf("%s %v, limit %v", l.Name, round(at), l.Limit)}
	case high > l.Limit && !final:
		reason := fmt.Sprintf("%s between %v and %v, limit %v", l.Name, round(low), round(high), l.Limit)
		return curve.Verdict{Outcome: curve.Inconclusive, Reason: reason}
	}
	return curve.Verdict{Outcome: curve.Pass}
}

// everyRequestFailed reports whether the target answered no request as it should. Failures of the generator do not
// count.
func everyRequestFailed(steps []*Step) bool {
	var failed, requests int64
	for _, s := range steps {
		own := s.ErrorKinds[outOfPorts] + s.ErrorKinds[outOfFiles]
		failed, requests = failed+s.failed-own, requests+s.Requests-own
	}
	return requests > 0 && failed == requests
}

// judgeErrors compares only the share of errors. Requests that failed because the generator had no ports or files left
// are not errors of the target.
func judgeErrors(o curve.Objective, steps []*Step, final bool) curve.Verdict {
	var failed, requests int64
	for _, s := range steps {
		failed += s.failed - s.ErrorKinds[outOfPorts] - s.ErrorKinds[outOfFiles]
		requests += s.Requests
	}
	switch {
	case everyRequestFailed(steps):
		return curve.Verdict{Outcome: curve.Fail, Reason: "every request failed"}
	case o.Errors == nil || requests == 0:
		return curve.Verdict{Outcome: curve.Pass}
	}
	at, low, limit := share(failed, requests), wilsonLow(failed, requests), *o.Errors
	switch {
	case at > limit && (final || low > limit):
		reason := fmt.Sprintf("errors %s, limit %s", report.Percent(at), report.Percent(limit))
		return curve.Verdict{Outcome: curve.Fail, Reason: reason}
	case at > limit:
		reason := fmt.Sprintf("errors %s, at least %s, limit %s",
			report.Percent(at), report.Percent(low), report.Percent(limit))
		return curve.Verdict{Outcome: curve.Inconclusive, Reason: reason}
	}
	return curve.Verdict{Outcome: curve.Pass}
}

// round rounds a latency to about three digits.
func round(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}

// wilsonLow returns the lower end of the 95 % Wilson interval of a share.
func wilsonLow(n, of int64) float64 {
	const z = 1.96
	all := float64(of)
	p := float64(n) / all
	return max(0, (p+z*z/(2*all)-z*math.Sqrt(p*(1-p)/all+z*z/(4*all*all)))/(1+z*z/all))
}
