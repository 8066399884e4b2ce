package load

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tenfold-go/tenfold/internal/journey"
)

// Part is what became of one step of a journey. Latencies are in milliseconds, from the moment at which its request should
// have begun, to two digits.
type Part struct {
	Name     string  `json:"name"` // with that of the visitor, where there are several
	Requests int64   `json:"requests"`
	Errors   float64 `json:"errors"` // share of them, 0 to 1
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
}

// maxParts bounds how many steps of a journey are told apart. Further ones count in the whole only.
const maxParts = 100

// partTally counts one step of a journey.
type partTally struct {
	requests, failed int64
	latency          histogram
}

// parts are the steps of j by their names, and their numbers from 1.
func parts(j *journey.Journey) (names []string, numbers map[*journey.Step]int) {
	numbers = map[*journey.Step]int{}
	for _, v := range j.Visitors {
		for _, s := range v.Steps {
			if len(names) == maxParts {
				return names, numbers
			}
			name := s.Name
			if len(j.Visitors) > 1 {
				name = v.Name + ": " + name
			}
			names = append(names, name)
			numbers[s] = len(names)
		}
	}
	return names, numbers
}

// part counts a request of a step of the journey, from 1. The caller holds the lock.
func (t *tally) part(number int) *partTally {
	for len(t.parts) < number {
		t.parts = append(t.parts, partTally{latency: histogram{coarse: true}})
	}
	return &t.parts[number-1]
}

func (t *tally) addParts(other *tally) {
	for i := range other.parts {
		p, o := t.part(i+1), &other.parts[i]
		p.requests, p.failed = p.requests+o.requests, p.failed+o.failed
		p.latency.merge(o.latency)
	}
}

func (t *tally) named(names []string) (all []Part) {
	for i, p := range t.parts {
		all = append(all, Part{
			Name: names[i], Requests: p.requests, Errors: share(p.failed, p.requests),
			P50: milliseconds(p.latency.quantile(0.5)), P99: milliseconds(p.latency.quantile(0.99)),
		})
	}
	return all
}

// telling is the step whose parts are worth reading: that of the knee, or else the last.
func (d *Document) telling() *Step {
	steps := slices.DeleteFunc(slices.Clone(d.Steps), func(s *Step) bool { return len(s.Parts) == 0 })
	if len(steps) == 0 {
		return nil
	}
	last := steps[len(steps)-1]
	if d.Knee != nil {
		for _, s := range steps {
			if s.Offered == d.Knee.Rate {
				last = s
			}
		}
	}
	return last
}

// partHead names the cells of a part.
var partHead = []string{"requests", "p50", "p99", "errors", ""}

func (p Part) cells() []string {
	return []string{number(float64(p.Requests)), ms(p.P50), ms(p.P99), percent(p.Errors)}
}

// partsTitle says which of the load's steps the parts are of.
func (s *Step) partsTitle() string {
	if s.Users > 0 {
		return fmt.Sprintf("the journey at %d users", s.Users)
	}
	return "the journey at " + number(s.Offered) + "/s"
}

// writeParts says which step of the journey is slow, or fails.
func (d *Document) writeParts(b *strings.Builder) {
	s := d.telling()
	if s == nil {
		return
	}
	fmt.Fprintf(b, "\n%s:\n", s.partsTitle())
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, strings.Join(partHead, "\t"))
	slowest := slices.MaxFunc(s.Parts, func(x, y Part) int { return cmp.Compare(x.P99, y.P99) })
	for _, p := range s.Parts {
		note := ""
		if p == slowest && len(s.Parts) > 1 {
			note = "  <- slowest"
		}
		fmt.Fprintf(tw, "%s\t  %s%s\n", strings.Join(p.cells(), "\t"), p.Name, note)
	}
	tw.Flush()
}
