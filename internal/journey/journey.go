// Package journey describes what a visitor of a service does: steps with what is sent, what is expected, what is taken
// from the answers for later steps, and the pauses between. It makes no connection: [Visit] says what to send next and
// judges what came back, over whatever transport its user has.
package journey

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

// Journey is a file of visitors. It is read-only, and for any number of goroutines.
type Journey struct {
	Target   string // base URL; "" when the file names none
	Visitors []*Visitor

	tables map[string]*table
	weight float64 // of all visitors
}

// Visitor is one kind of visitor.
type Visitor struct {
	Name   string
	Weight float64 // its share among the weights of all visitors
	Steps  []*Step
}

// Step is one request of a visit.
type Step struct {
	Name    string // "GET /cart" when the file gives none
	Method  string
	Think   Think // the pause after the answer
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

// ReadsBody reports whether Answer looks at the body of an answer of that status: where the step expects something of the
// body, or takes something from it, and to show what came instead of the status that it expects.
func (s *Step) ReadsBody(status int) bool {
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

// Think is a pause: between Min and Max with equal chance, or exponential with the mean Min when Max is negative.
type Think struct{ Min, Max time.Duration }

const exponential = time.Duration(-1)

// longestThink bounds what the exponential distribution may come to, in means.
const longestThink = 10

// Pause returns how long to think this time.
func (t Think) Pause(random *rand.Rand) time.Duration {
	switch {
	case t.Max == exponential:
		return min(time.Duration(random.ExpFloat64()*float64(t.Min)), longestThink*t.Min)
	case t.Max > t.Min:
		return t.Min + time.Duration(random.Int64N(int64(t.Max-t.Min)+1))
	}
	return t.Min
}

// mean is how long the pause is on average.
func (t Think) mean() time.Duration {
	if t.Max > t.Min {
		return (t.Min + t.Max) / 2
	}
	return t.Min
}

// MeanPause is how long a visit pauses on average, over all visitors.
func (j *Journey) MeanPause() time.Duration {
	sum := 0.0
	for _, v := range j.Visitors {
		for i, s := range v.Steps {
			if i == len(v.Steps)-1 {
				break // after the last one the visit is over
			}
			sum += v.Weight / j.weight * float64(s.Think.mean())
		}
	}
	return time.Duration(sum)
}

// pick chooses a kind of visitor by weight.
func (j *Journey) pick(random *rand.Rand) *Visitor {
	at := random.Float64() * j.weight
	for _, v := range j.Visitors {
		if at -= v.Weight; at < 0 {
			return v
		}
	}
	return j.Visitors[len(j.Visitors)-1]
}

// Request is what a step sends.
type Request struct {
	Method  string
	URL     *url.URL
	Header  http.Header
	Body    string
	HasBody bool
}

// Response is what came back. Body may be left out where the step does not read it.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}
