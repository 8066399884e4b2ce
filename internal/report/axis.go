package report

import "math"

// Axis maps the values from Low to High to the coordinates from From to To. From may be larger than To, as for an SVG
// y-axis. A logarithmic axis needs a Low above 0.
type Axis struct {
	Low, High   float64 // values
	From, To    float64 // coordinates of Low and High
	Logarithmic bool
}

// Tick is a labelled place on an axis.
type Tick struct {
	At   float64 // coordinate
	Text string
}

// At returns the coordinate of v, rounded to a tenth. A value outside of the axis returns the coordinate of its end.
func (a Axis) At(v float64) float64 {
	share := 1.0
	switch v = min(max(v, a.Low), a.High); {
	case a.High <= a.Low:
	case a.Logarithmic:
		share = math.Log(v/a.Low) / math.Log(a.High/a.Low)
	default:
		share = (v - a.Low) / (a.High - a.Low)
	}
	return math.Round((a.From+(a.To-a.From)*share)*10) / 10
}

// Ticks returns a tick for each round number on the axis: five to ten of them, or the powers of ten on a logarithmic
// axis.
func (a Axis) Ticks() (ticks []Tick) {
	for _, v := range a.values() {
		ticks = append(ticks, Tick{a.At(v), Number(v)})
	}
	return ticks
}

func (a Axis) values() (values []float64) {
	if !(a.High > a.Low) || math.IsInf(a.High, 1) {
		return nil
	}
	if a.Logarithmic {
		for exponent := math.Ceil(math.Log10(a.Low) - 1e-9); exponent <= math.Log10(a.High)+1e-9; exponent++ {
			values = append(values, math.Pow(10, exponent))
		}
		return values
	}
	step := stepOf(a.High - a.Low)
	for i := math.Ceil(a.Low/step - 1e-9); i <= a.High/step+1e-9; i++ {
		values = append(values, i*step) // multiplied, since adding the steps up would add up their rounding errors
	}
	return values
}

// stepOf returns the largest of 1, 2 or 5 times a power of ten that divides the span into at least four parts.
func stepOf(span float64) float64 {
	step := math.Pow(10, math.Floor(math.Log10(span/4)))
	for _, factor := range []float64{5, 2} {
		if span/(step*factor) >= 4 {
			return step * factor
		}
	}
	return step
}
