// Package arrivals decides when the visits of an open load begin. [New] makes a [Schedule], and [Schedule.Next] returns
// one start time after another.
package arrivals

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Pattern is how visits are spread over time.
type Pattern uint8

const (
	Poisson Pattern = iota // at random, like independent visitors, often close together
	Even                   // at equal distances
)

func (p Pattern) String() string { return [...]string{"poisson", "even"}[p] }

// UnmarshalText reads "poisson" or "even".
func (p *Pattern) UnmarshalText(text []byte) error {
	for _, known := range []Pattern{Poisson, Even} {
		if string(text) == known.String() {
			*p = known
			return nil
		}
	}
	return fmt.Errorf("arrivals %q: want poisson or even", text)
}

// Schedule is a sequence of start times. It depends only on the arguments of New and does not read the clock. So a slow
// target cannot delay the visits that follow.
//
// A Poisson schedule has exactly rate × span visits, so that the offered rate is the rate that was asked for. Its times
// are the order statistics of that many independent uniform times: a Poisson process with a given number of events.
type Schedule struct {
	pattern      Pattern
	total, taken int64
	rate         float64
	span, at     float64 // seconds
	random       *rand.Rand
}

// New returns a schedule of rate visits per second for the duration of span. Equal arguments give equal schedules.
func New(p Pattern, rate float64, span time.Duration, seed uint64) *Schedule {
	return &Schedule{
		pattern: p,
		total:   int64(math.Round(rate * span.Seconds())),
		rate:    rate,
		span:    span.Seconds(),
		random:  rand.New(rand.NewPCG(seed, 0x6a09e667f3bcc909)),
	}
}

// Next returns the start time of the next visit, from the beginning of the schedule. It returns false after the last
// one.
func (s *Schedule) Next() (time.Duration, bool) {
	if s.taken == s.total {
		return 0, false
	}
	switch s.pattern {
	case Even:
		s.at = float64(s.taken) / s.rate
	case Poisson: // the smallest of the remaining times, which are uniform over the remaining span
		remaining := float64(s.total - s.taken)
		s.at += (s.span - s.at) * -math.Expm1(math.Log1p(-s.random.Float64())/remaining)
	}
	s.taken++
	return time.Duration(s.at * float64(time.Second)), true
}
