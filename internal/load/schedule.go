package load

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Arrivals is how visits are spread over time.
type Arrivals uint8

const (
	Poisson Arrivals = iota // as independent visitors come: at random, often close together
	Even                    // one after another at equal distances, as a metronome
)

func (a Arrivals) String() string { return [...]string{"poisson", "even"}[a] }

// UnmarshalText reads "poisson" or "even".
func (a *Arrivals) UnmarshalText(text []byte) error {
	for _, known := range []Arrivals{Poisson, Even} {
		if string(text) == known.String() {
			*a = known
			return nil
		}
	}
	return fmt.Errorf("arrivals %q: want poisson or even", text)
}

// Schedule is when visits begin. It depends on nothing but what it was made of: it does not know the clock, so nothing
// that happens while it is carried out can stretch or squeeze it.
//
// Poisson arrivals are drawn as the order statistics of a known number of visits: the process conditioned on its count.
// It is Poisson in every respect but one: the whole span holds exactly rate × span visits, so that what was offered is
// the number that was asked for.
type Schedule struct {
	arrivals    Arrivals
	total, done int64
	rate        float64
	span, at    float64 // seconds
	random      *rand.Rand
}

// NewSchedule makes a schedule of rate visits per second over span. Equal arguments make equal schedules.
func NewSchedule(a Arrivals, rate float64, span time.Duration, seed uint64) *Schedule {
	return &Schedule{
		arrivals: a,
		total:    int64(math.Round(rate * span.Seconds())),
		rate:     rate,
		span:     span.Seconds(),
		random:   rand.New(rand.NewPCG(seed, 0x6a09e667f3bcc909)),
	}
}

// Next returns when the next visit begins, from the beginning of the schedule; false when there is none.
func (s *Schedule) Next() (time.Duration, bool) {
	if s.done == s.total {
		return 0, false
	}
	switch s.arrivals {
	case Even:
		s.at = float64(s.done) / s.rate
	case Poisson: // the smallest of the remaining visits, each of which is anywhere in the remaining span
		left := float64(s.total - s.done)
		s.at += (s.span - s.at) * -math.Expm1(math.Log1p(-s.random.Float64())/left)
	}
	s.done++
	return time.Duration(s.at * float64(time.Second)), true
}
