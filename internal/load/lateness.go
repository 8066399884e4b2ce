package load

import (
	"fmt"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
)

// maxLagShare is the largest lateness of the generator, as a share of the latency that a verdict rests on.
const maxLagShare = 0.1

// distorts reports whether a generator that sent requests late by lag could change what is said about a latency: if the
// lag is more than a tenth of it. A lag of up to a millisecond never counts. A latency counts from the scheduled time, so
// it contains the lag.
func distorts(lag, latency time.Duration) bool {
	return lag > maxOnTime && float64(lag) > maxLagShare*float64(latency)
}

// judgeLag marks the step as valid, or as invalid with all reasons. The lateness of the generator is compared with the
// latencies that the objective limits, or with the 99th percentile if it limits none.
func (s *Step) judgeLag(o curve.Objective) {
	lateness := s.lateness(o)
	doubts := s.doubts
	if lateness != "" {
		doubts = append(doubts[:len(doubts):len(doubts)], doubt{text: lateness, own: true})
	}
	s.Valid, s.ownFault, s.onlyLate, s.InvalidReason = len(doubts) == 0, false, lateness != "", ""
	for i, d := range doubts {
		if i > 0 {
			s.InvalidReason += "; "
		}
		s.InvalidReason += d.text
		s.ownFault = s.ownFault || d.own
		s.onlyLate = s.onlyLate && (!d.own || i == len(doubts)-1)
	}
}

// lateness returns why the lateness of the generator makes the step doubtful, or "".
func (s *Step) lateness(o curve.Objective) string {
	if !s.open {
		return ""
	}
	limits := o.Latencies
	if len(limits) == 0 {
		limits = []curve.LatencyLimit{{Name: "p99", Quantile: 0.99}}
	}
	for _, l := range limits {
		lag, latency := s.lag.quantile(lagQuantile(l.Quantile)), s.latency.quantile(l.Quantile)
		if distorts(lag, latency) {
			return fmt.Sprintf("the generator was late: %s of sending %v, more than a tenth of the %s of %v",
				lagName(l.Quantile), round(lag), l.Name, round(latency))
		}
	}
	return ""
}

// lagQuantile returns the quantile of the lag that may distort a quantile of the latency: the same one, but at least the
// 99th percentile, because the requests behind a late one are late as well.
func lagQuantile(q float64) float64 { return max(q, 0.99) }

func lagName(q float64) string {
	switch lagQuantile(q) {
	case 1:
		return "the largest lateness"
	case 0.99:
		return "p99 of the lateness"
	}
	return "p99.9 of the lateness"
}
