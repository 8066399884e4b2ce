// Package journey describes what visitors of a service do, step by step: the request of each step, what the response
// must be, which values of the response later steps use, and the pauses between the steps.
//
// [Load] reads a journey from a file. [Journey.Visit] begins the visit of one visitor, and [Visit.Do] makes the request
// of one step over any http.RoundTripper. The package makes no connections itself.
package journey

import (
	"math/rand/v2"
	"time"
)

// Journey is a set of visitors. It is read-only and may be used by any number of goroutines.
type Journey struct {
	Target   string // base URL; "" if the file names none
	Visitors []*Visitor

	tables map[string]*table
	weight float64 // sum of all visitors
}

// Visitor is one kind of visitor.
type Visitor struct {
	Name   string
	Weight float64 // its share of the visits is Weight divided by the weights of all visitors
	Steps  []*Step
}

// MeanPause returns how long a visit pauses in total, averaged over all visitors.
func (j *Journey) MeanPause() time.Duration {
	sum := 0.0
	for _, v := range j.Visitors {
		for i, s := range v.Steps {
			if i == len(v.Steps)-1 {
				break // the visit ends without a pause
			}
			sum += v.Weight / j.weight * float64(s.Think.mean())
		}
	}
	return time.Duration(sum)
}

// pick chooses a kind of visitor at random by weight.
func (j *Journey) pick(random *rand.Rand) *Visitor {
	at := random.Float64() * j.weight
	for _, v := range j.Visitors {
		if at -= v.Weight; at < 0 {
			return v
		}
	}
	return j.Visitors[len(j.Visitors)-1]
}

// Step is one request of a visit.
type Step struct {
	Name    string // for example "GET /cart" if the file gives none
	Method  string
	Think   Think // the pause after the response
	path    template
	header  []headerField
	body    template
	hasBody bool
	extract []extraction
	expect  expectation
}

type headerField struct {
	name  string
	value template
}

// readsBody reports whether the body of a response with that status is needed: to check it, to extract values from it,
// or to show it because the status is not the expected one.
func (s *Step) readsBody(status int) bool {
	if !s.expect.allows(status) || len(s.expect.contains) > 0 || len(s.expect.json) > 0 {
		return true
	}
	for _, e := range s.extract {
		if e.from.readsBody() {
			return true
		}
	}
	return false
}

// Think is a think time. It is uniform between Min and Max, or exponential with the mean Min if Max is negative.
type Think struct{ Min, Max time.Duration }

const (
	exponential  = time.Duration(-1)
	longestThink = 10 // limit of an exponential think time, in means
)

// Pause returns a random think time.
func (t Think) Pause(random *rand.Rand) time.Duration {
	switch {
	case t.Max == exponential:
		return min(time.Duration(random.ExpFloat64()*float64(t.Min)), longestThink*t.Min)
	case t.Max > t.Min:
		return t.Min + time.Duration(random.Int64N(int64(t.Max-t.Min)+1))
	}
	return t.Min
}

func (t Think) mean() time.Duration {
	if t.Max > t.Min {
		return (t.Min + t.Max) / 2
	}
	return t.Min
}
