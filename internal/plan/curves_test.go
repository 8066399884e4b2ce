package plan

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/queueing"
)

func curveInputs(peak Rate, rates ...float64) Inputs {
	in := Inputs{PeakRPS: peak, Margin: share(0)}
	for i, r := range rates {
		in.Scaling = append(in.Scaling, queueing.Point{Nodes: 1 << i, Rate: r})
	}
	return in
}

// A superlinear curve is read between its measured sizes and never extrapolated. The plan says what the data do.
func TestSuperlinearCurve(t *testing.T) {
	for _, test := range []struct {
		peak    Rate
		nodes   int
		missed  string
		answers []string
	}{
		{520, 4, "", []string{"NODES         4 nodes, interval not known", "4 nodes carry 520 rps"}},
		{521, 5, "", nil},
		{100, 1, "", nil},
		{1150, 8, "", nil},
		{1151, 0, "no measured number of nodes reaches 1,151 rps, and the superlinear curve says nothing about more than " +
			"8 nodes",
			[]string{"NODES         not known: the measured sizes, up to 8 nodes, do not reach 1,151 rps"}},
	} {
		p := mustDecide(t, curveInputs(test.peak, 100, 230, 520, 1150))
		if p.Fleet.Nodes != test.nodes || p.Missed() != test.missed || p.Fleet.NodesLow != 0 || p.Fleet.NodesHigh != 0 {
			t.Errorf("peak %g: got %+v, missed %q", test.peak, p.Fleet, p.Missed())
		}
		var text bytes.Buffer
		if err := p.WriteText(&text, Terms{}); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(strings.Fields(text.String()), " ")
		for _, want := range append(test.answers,
			"the curve is superlinear: each of 8 nodes carries 43.75% more than with 1 node", "each node caches a smaller part of the data", "a short warm-up", "do not extrapolate it", "at its bound") {
			if !strings.Contains(got, strings.Join(strings.Fields(want), " ")) {
				t.Errorf("peak %g: the text lacks %q:\n%s", test.peak, want, text.String())
			}
		}
		if err := p.WriteHTML(&text, Terms{}); err != nil || strings.Contains(text.String(), "NaN") ||
			strings.Contains(text.String(), "Inf") {
			t.Errorf("page: %v", err)
		}
	}
}

func TestDegenerateCurves(t *testing.T) {
	for name, test := range map[string]struct {
		rates  []float64
		peak   Rate
		missed bool
		want   string
	}{
		"flat":          {[]float64{100, 100, 100, 100}, 500, true, "the contention is at its upper bound, α = 1"},
		"falling":       {[]float64{100, 90, 60, 30}, 500, true, "a second node makes the fleet slower"},
		"a line":        {[]float64{100, 200, 400, 800}, 500, false, "α and β are at their lower bounds, 0"},
		"huge noise":    {[]float64{100, 150, 500, 300}, 700, true, "the curve is irregular"},
		"noise":         {[]float64{100, 150, 335, 480, 1090}, 500, false, "the points differ from the law by"},
		"cold at first": {[]float64{60, 200, 400, 790}, 2000, true, "each of 2 nodes carries 66.67% more than with 1 node"},
	} {
		p := mustDecide(t, curveInputs(test.peak, test.rates...))
		var warnings []string
		for _, n := range p.Explain().Warnings {
			warnings = append(warnings, n.String())
		}
		if (p.Missed() != "") != test.missed || !strings.Contains(strings.Join(warnings, "\n"), test.want) {
			t.Errorf("%s: missed %q, warnings\n%s\nwant %q", name, p.Missed(), strings.Join(warnings, "\n"), test.want)
		}
	}
}

func TestJSONSaysThatAFitIsAtItsBound(t *testing.T) {
	var b bytes.Buffer
	if err := mustDecide(t, curveInputs(2000, 100, 230, 520, 1150)).WriteJSON(&b, Terms{}); err != nil {
		t.Fatal(err)
	}
	var d struct {
		Reachable    bool `json:"reachable"`
		Undetermined bool `json:"undetermined"`
		Fit          struct {
			AtBound     []queueing.Bound `json:"at_bound"`
			Superlinear bool             `json:"superlinear"`
		} `json:"fit"`
	}
	if err := json.Unmarshal(b.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if d.Reachable || !d.Undetermined || !d.Fit.Superlinear || len(d.Fit.AtBound) != 2 {
		t.Errorf("got %+v", d)
	}
}

// A fleet of unknown size is no reason to change the service first.
func TestSuperlinearCurveDoesNotAskForARefactoring(t *testing.T) {
	in := curveInputs(2000, 100, 230, 520, 1150)
	in.Stateless, in.HA = true, true
	if p := mustDecide(t, in); p.Strategy.Kind != ScaleOut || p.Fleet.Nodes != 0 {
		t.Errorf("got %+v, %+v", p.Strategy, p.Fleet)
	}
}
