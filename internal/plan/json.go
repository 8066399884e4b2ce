package plan

import (
	"encoding/json"
	"io"
	"math"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/queueing"
)

// document is a plan as JSON. A part that is nil is absent.
type document struct {
	Advice        string        `json:"advice"` // one sentence: what to do, how many nodes, why
	*Fleet                      // nodes, nodes_low, nodes_high, reachable, ...
	Fit           *fitDocument  `json:"fit,omitempty"`
	*Strategy                   // strategy, ...
	Database      *Database     `json:"database,omitempty"`
	*Availability               // availability, downtime_per_year_s, ...
	*Cost                       // cost_per_hour, ...
	Forecast      *Forecast     `json:"growth,omitempty"`
	Reasons       []string      `json:"reasons"` // each is "topic: sentence"
	Changes       []string      `json:"changes,omitempty"`
	Warnings      []string      `json:"warnings,omitempty"`
	Assumed       []string      `json:"assumed,omitempty"`
	Unknown       []string      `json:"unknown,omitempty"`
	Inputs        inputDocument `json:"inputs"`
}

// WriteJSON writes the plan and its explanation as one JSON document, in the words of t.
func (p *Plan) WriteJSON(w io.Writer, t Terms) error {
	e := p.Explain()
	d := document{
		Advice: p.Advice().Text(t),
		Fleet:  p.Fleet, Fit: newFitDocument(p.Fit), Strategy: p.Strategy, Database: p.Database,
		Availability: p.Availability, Cost: p.Cost,
		Forecast: p.Forecast, Inputs: newInputDocument(p.Inputs),
		Reasons: lines(e.Reasons, t), Changes: lines(e.Changes, t), Warnings: lines(e.Warnings, t),
		Assumed: lines(e.Assumed, t),
		Unknown: lines(e.Unknown, t),
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(d)
}

func lines(notes []Note, t Terms) (lines []string) {
	for _, n := range notes {
		lines = append(lines, string(n.Topic)+": "+n.Text(t))
	}
	return lines
}

// inputDocument is Inputs as JSON, with the load document but without its steps.
type inputDocument struct {
	Inputs
	Measured *measuredDocument `json:"measured,omitempty"`
}

type measuredDocument struct {
	Unit        curve.Unit     `json:"unit,omitempty"`
	TargetNodes int            `json:"target_nodes,omitempty"`
	Knee        *curve.Knee    `json:"knee,omitempty"`
	Scaling     []sizeDocument `json:"scaling,omitempty"`
	SharedCores bool           `json:"shared_cores,omitempty"`
}

type sizeDocument struct {
	Nodes int         `json:"nodes"`
	Knee  *curve.Knee `json:"knee,omitempty"`
}

func newInputDocument(in Inputs) inputDocument {
	d := inputDocument{Inputs: in}
	if m := in.Measured; m != nil {
		d.Measured = &measuredDocument{Unit: m.Unit, TargetNodes: m.TargetNodes, Knee: m.Knee, SharedCores: m.SharedCores}
		for _, s := range m.Scaling {
			d.Measured.Scaling = append(d.Measured.Scaling, sizeDocument{s.Nodes, s.Knee})
		}
	}
	return d
}

// fitDocument is a fit as JSON. JSON has neither NaN nor infinity: a value that is not known is absent, and an interval
// without an end has null there.
type fitDocument struct {
	queueing.USL
	AlphaSE   *float64    `json:"alpha_se,omitempty"`
	BetaSE    *float64    `json:"beta_se,omitempty"`
	GammaSE   *float64    `json:"gamma_se,omitempty"`
	Alpha95   [2]*float64 `json:"alpha_95"`
	Beta95    [2]*float64 `json:"beta_95"`
	Gamma95   [2]*float64 `json:"gamma_95"`
	PeakNodes *float64    `json:"peak_nodes,omitempty"` // absent: the law has no peak
	PeakRPS   *float64    `json:"peak_rps,omitempty"`   // without a peak: the limit of the law
	RSE       *float64    `json:"residual_standard_error,omitempty"`
	DF        int         `json:"degrees_of_freedom"`

	AtBound     []queueing.Bound `json:"at_bound,omitempty"`    // parameters that the points push to an end of their range
	Superlinear bool             `json:"superlinear,omitempty"` // the points rise more than the law can

	Points []queueing.Point `json:"points"`
}

func newFitDocument(f *queueing.Fit) *fitDocument {
	if f == nil {
		return nil
	}
	nodes, rate := f.Peak()
	_, superlinear := f.Superlinear()
	return &fitDocument{
		USL:     f.USL,
		AlphaSE: finite(f.SE.Alpha), BetaSE: finite(f.SE.Beta), GammaSE: finite(f.SE.Gamma),
		Alpha95: ends(f.Alpha95), Beta95: ends(f.Beta95), Gamma95: ends(f.Gamma95),
		PeakNodes: finite(nodes), PeakRPS: finite(rate),
		RSE: finite(f.RSE), DF: f.DF, Points: f.Points, AtBound: f.AtBounds(), Superlinear: superlinear,
	}
}

func ends(i queueing.Interval) [2]*float64 { return [2]*float64{finite(i.Low), finite(i.High)} }

// finite returns nil for a value that JSON cannot represent.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
