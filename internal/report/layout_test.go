package report

import (
	"strconv"
	"testing"
)

func TestTicksOfASmallPlotDoNotTouch(t *testing.T) {
	l := Small(280, 78)
	for _, high := range []float64{1, 3, 9, 10, 47, 99, 1000, 12_345, 9_999_999} {
		x := ThinX(Axis{High: high, From: l.Left, To: l.Right}.Ticks())
		if len(x) < 2 {
			t.Errorf("up to %g: %d ticks", high, len(x))
		}
		for i := 1; i < len(x); i++ {
			if gap := x[i].At - x[i-1].At; gap < letter*float64(len(x[i].Text)) {
				t.Errorf("up to %g: %s and %s are %g apart", high, x[i-1].Text, x[i].Text, gap)
			}
		}
		y := ThinY(Axis{High: high, From: l.Bottom, To: l.Top}.Ticks())
		for i := 1; i < len(y); i++ {
			if gap := y[i-1].At - y[i].At; gap < smallFont {
				t.Errorf("up to %g: %s and %s are %g apart", high, y[i-1].Text, y[i].Text, gap)
			}
		}
	}
	if got := ThinX(nil); len(got) != 0 {
		t.Errorf("no ticks become %v", got)
	}
}

// The text of a small plot has at least 11 pixels on a page that is 360 pixels wide and has 16 pixels of padding on each side.
func TestSmallPlotsAreReadableOnAPhone(t *testing.T) {
	if pixels := float64(smallFont) * (360 - 2*16) / Small(280, 78).Width; pixels < 11 {
		t.Errorf("%s pixels", strconv.FormatFloat(pixels, 'f', 1, 64))
	}
}
