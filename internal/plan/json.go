package plan

import (
	"encoding/json"
	"io"
	"math"
)

// WriteJSON writes the answer as one JSON document.
func (a *Answer) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(a)
}

// fitDocument is Fit as JSON: what is not known, or has no end, is absent, since JSON has neither NaN nor infinity.
type fitDocument struct {
	USL
	AlphaSE   *float64    `json:"alpha_se,omitempty"`
	BetaSE    *float64    `json:"beta_se,omitempty"`
	GammaSE   *float64    `json:"gamma_se,omitempty"`
	Alpha95   [2]*float64 `json:"alpha_95"` // null is no end
	Beta95    [2]*float64 `json:"beta_95"`
	Gamma95   [2]*float64 `json:"gamma_95"`
	PeakNodes *float64    `json:"peak_nodes,omitempty"` // absent: the law has no peak
	PeakRPS   *float64    `json:"peak_rps,omitempty"`   // without a peak, what the law never passes
	RSE       *float64    `json:"residual_standard_error,omitempty"`
	DF        int         `json:"degrees_of_freedom"`
	Points    []Point     `json:"points"`
}

// MarshalJSON is fitDocument.
func (f *Fit) MarshalJSON() ([]byte, error) {
	peak, rps := f.Peak()
	return json.Marshal(fitDocument{
		USL:     f.USL,
		AlphaSE: finite(f.SE.Alpha), BetaSE: finite(f.SE.Beta), GammaSE: finite(f.SE.Gamma),
		Alpha95:   [2]*float64{finite(f.Alpha95.Low), finite(f.Alpha95.High)},
		Beta95:    [2]*float64{finite(f.Beta95.Low), finite(f.Beta95.High)},
		Gamma95:   [2]*float64{finite(f.Gamma95.Low), finite(f.Gamma95.High)},
		PeakNodes: finite(peak), PeakRPS: finite(rps),
		RSE: finite(f.RSE), DF: f.DF, Points: f.Points,
	})
}

func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
