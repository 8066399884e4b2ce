package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/tenfold-go/tenfold/internal/report"
)

// Measured is what `tenfold load` found out and a plan stands on: the JSON document that one writes and the other reads.
// A run against one fleet has a Knee; a run over several fleet sizes has Scaling. Fields that are not named here are
// the load generator's own and are ignored.
type Measured struct {
	Unit        string `json:"unit,omitempty"` // what rates count: "requests/s", the default, or "visits/s" of journeys
	Steps       []Step `json:"steps,omitempty"`
	Knee        *Knee  `json:"knee,omitempty"`
	Scaling     []Size `json:"scaling,omitempty"`
	SharedCores bool   `json:"shared_cores,omitempty"` // the nodes of Scaling ran on the cores of one machine
}

// Step is one offered rate, in the document's unit.
type Step struct {
	Offered     float64 `json:"offered"`
	Achieved    float64 `json:"achieved"`
	RequestRate float64 `json:"requests_per_s,omitempty"` // also where rates count visits
	Valid       bool    `json:"valid"`
	Verdict     Verdict `json:"verdict,omitzero"`
}

// Verdict is what a step said about the objective. A step that broke it is seldom valid by the load generator's checks,
// since a target that does not keep up has a growing queue; its outcome is certain all the same.
type Verdict struct {
	Outcome string `json:"outcome"` // "held", "broke", "undecided" or "unknown"
}

// Knee is the highest rate, in the document's unit, at which the objective held and the throughput followed the rate.
// Low held for certain and High broke for certain; both are 0 when not known. Without High the knee is a lower bound: what
// the load generator saw above it could not be believed.
type Knee struct {
	Rate float64 `json:"rate"`
	Low  float64 `json:"low,omitempty"`
	High float64 `json:"high,omitempty"`
}

// Size is the knee of a fleet of so many nodes.
type Size struct {
	Nodes int    `json:"nodes"`
	Knee  *Knee  `json:"knee,omitempty"` // nil: its load found none
	Steps []Step `json:"steps,omitempty"`
}

const visitsUnit = "visits/s"

// Limits of what is read: a load run of a day with a step per second stays far below.
const (
	maxDocument = 16 << 20
	maxPoints   = 1_000
	maxNodes    = 1_000_000
)

// ReadMeasured reads one JSON document from r, at most 16 MiB.
func ReadMeasured(r io.Reader) (*Measured, error) {
	data, err := readLimited(r, maxDocument)
	if err != nil {
		return nil, err
	}
	var m Measured
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&m); err != nil {
		if err == io.EOF {
			return nil, errors.New("it is empty")
		}
		return nil, fmt.Errorf("it is not a load document: %w", inWords(err))
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("it goes on after the end of the JSON document")
	}
	return &m, m.check()
}

// inWords says of a JSON value of the wrong kind what was wanted, without the names of Go's types.
func inWords(err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err
	}
	what, want := "it", "an object, as tenfold load --json writes it"
	if wrong.Field != "" {
		what, want = wrong.Field, "an object"
	}
	switch wrong.Type.Kind() {
	case reflect.Float64, reflect.Int:
		want = "a number"
	case reflect.String:
		want = "a string"
	case reflect.Bool:
		want = "true or false"
	case reflect.Slice:
		want = "a list"
	}
	return fmt.Errorf("%s is of kind %s: want %s", what, wrong.Value, want)
}

func (m *Measured) check() error {
	if m.Unit != "" && m.Unit != "requests/s" && m.Unit != visitsUnit {
		return fmt.Errorf("its unit is %q: want requests/s or %s", m.Unit, visitsUnit)
	}
	if len(m.Scaling) > 0 {
		for _, s := range m.Scaling {
			if s.Knee == nil {
				continue
			}
			if err := s.Knee.check(); err != nil {
				return fmt.Errorf("scaling, nodes %d: %w", s.Nodes, err)
			}
		}
		return checkPoints(m.points())
	}
	if m.Knee == nil {
		return fmt.Errorf(`it has neither a "scaling" curve nor a "knee": %s`, m.whyNoKnee())
	}
	return m.Knee.check()
}

// whyNoKnee says what to measure, by how the steps ended.
func (m *Measured) whyNoKnee() string {
	held, broke := false, false
	for _, s := range m.Steps {
		held, broke = held || s.Verdict.Outcome == "held", broke || s.Verdict.Outcome == "broke"
	}
	switch {
	case held && len(m.Steps) > 1:
		return "the objective held at every rate: measure higher --rates"
	case broke:
		return "the objective broke at the lowest rate: measure lower --rates, or with another --objective"
	}
	return "tenfold load --rates LO..HI looks for one"
}

func (k Knee) check() error {
	switch {
	case k.Rate <= 0 || k.Rate > 1e12:
		return fmt.Errorf("a knee of %s rps is not one: want a rate above 0", report.Number(k.Rate))
	case k.Low < 0 || k.Low > k.Rate:
		return fmt.Errorf("the knee's low end %g is not between 0 and its rate %g", k.Low, k.Rate)
	case k.High != 0 && k.High < k.Rate:
		return fmt.Errorf("the knee's high end %g is below its rate %g", k.High, k.Rate)
	}
	return nil
}

func (m *Measured) points() (points []Point) {
	for _, s := range m.Scaling {
		if s.Knee != nil {
			points = append(points, Point{Nodes: s.Nodes, RPS: s.Knee.Rate})
		}
	}
	return points
}

// atLeast says that the load generator found no rate at which this size breaks.
func (s Size) atLeast() bool {
	return s.Knee != nil && s.Knee.High == 0 && (s.Knee.Low > 0 || len(s.Steps) > 0)
}

// steps are those of all fleet sizes.
func (m *Measured) steps() []Step {
	all := slices.Clone(m.Steps)
	for _, s := range m.Scaling {
		all = append(all, s.Steps...)
	}
	return all
}

// counts says that the load generator stands by what it found: what it doubts of a step (that it was late itself, say) is
// weighed in the verdict already.
func (s Step) counts() bool {
	return s.Valid || s.Verdict.Outcome == "held" || s.Verdict.Outcome == "broke"
}

// doubtful counts the steps that the load generator itself did not believe.
func (m *Measured) doubtful() (n, of int) {
	all := m.steps()
	for _, s := range all {
		if !s.counts() {
			n++
		}
	}
	return n, len(all)
}

// perVisit is how many requests a visit made; 0 when the document does not say.
func (m *Measured) perVisit() float64 {
	requests, visits := 0.0, 0.0
	for _, s := range m.steps() {
		if s.counts() && s.Verdict.Outcome != "broke" && s.RequestRate > 0 { // a visit that fails is cut short
			requests, visits = requests+s.RequestRate, visits+s.Achieved
		}
	}
	if visits == 0 {
		return 0
	}
	return requests / visits
}

func (m *Measured) perVisitText() string {
	if each := m.perVisit(); each > 0 {
		return ", which made " + report.Number(math.Round(10*each)/10) + " requests each"
	}
	return ""
}

// summary is the document without its steps, for the answer to repeat.
func (m *Measured) summary() *Measured {
	short := *m
	short.Steps, short.Scaling = nil, slices.Clone(m.Scaling)
	for i := range short.Scaling {
		short.Scaling[i].Steps = nil
	}
	return &short
}

// Point is one measured fleet size.
type Point struct {
	Nodes int     `json:"nodes"` // at least 1
	RPS   float64 `json:"rps"`   // requests per second that it carried, above 0
}

// Points are written on a command line as "1=995,2=1852,4=3501".
type Points []Point

// UnmarshalText reads "1=995,2=1852,4=3501".
func (p *Points) UnmarshalText(text []byte) error {
	if strings.Count(string(text), ",") >= maxPoints {
		return fmt.Errorf("more than %d points", maxPoints)
	}
	var points Points
	for pair := range strings.SplitSeq(string(text), ",") {
		nodes, rps, ok := strings.Cut(pair, "=")
		n, err := strconv.Atoi(strings.TrimSpace(nodes))
		if !ok || err != nil {
			return fmt.Errorf("%q is not a point: want NODES=RPS, for example 1=995,2=1852,4=3501", pair)
		}
		var rate Rate
		if err := rate.UnmarshalText([]byte(strings.TrimSpace(rps))); err != nil {
			return fmt.Errorf("point %q: %w", pair, err)
		}
		points = append(points, Point{n, float64(rate)})
	}
	*p = points
	return checkSizes(points)
}

// checkPoints says whether a fit can be made of points.
func checkPoints(points []Point) error {
	if err := checkSizes(points); err != nil {
		return err
	}
	sizes := map[int]bool{}
	for _, pt := range points {
		sizes[pt.Nodes] = true
	}
	if len(sizes) < Fewest {
		return fmt.Errorf("%s cannot carry a fit of three parameters: measure at least %d, better %d",
			report.Count(len(sizes), "measured fleet size"), Fewest, FewestTrusted)
	}
	return nil
}

func checkSizes(points []Point) error {
	if len(points) > maxPoints {
		return fmt.Errorf("more than %d points", maxPoints)
	}
	for _, pt := range points {
		if pt.Nodes < 1 || pt.Nodes > maxNodes {
			return fmt.Errorf("a fleet of %d nodes is not one: want 1 to %d", pt.Nodes, maxNodes)
		}
		if !(pt.RPS > 0 && pt.RPS <= 1e12) {
			return fmt.Errorf("%s with %s rps: want a rate above 0, up to 1e12", report.Count(pt.Nodes, "node"), report.Number(pt.RPS))
		}
	}
	return nil
}

// readLimited reads all of r, and refuses more than limit bytes.
func readLimited(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("it is larger than %d MiB", limit>>20)
	}
	return data, nil
}
