package queueing

import (
	"math"
	"math/rand/v2"
	"testing"
)

func curveOf(rates ...float64) (points []Point) {
	for i, r := range rates {
		points = append(points, Point{Nodes: 1 << i, Rate: r})
	}
	return points
}

func TestSuperlinear(t *testing.T) {
	for name, test := range map[string]struct {
		points []Point
		want   bool
	}{
		"more per node in each size":    {curveOf(100, 230, 520, 1150), true},
		"a small but significant trend": {curveOf(100, 204, 416, 849, 1732), true},
		"three sizes":                   {curveOf(100, 250, 600), true},
		"a cold first measurement":      {curveOf(60, 200, 400, 790), true},
		"a rise at the end":             {curveOf(100, 180, 300, 900), true},
		"without one node":              {[]Point{{2, 230}, {4, 520}, {8, 1150}}, true},
		"a straight line":               {curveOf(100, 200, 400, 800), false},
		"a line with 5 % of noise":      {curveOf(100, 208, 392, 816), false},
		"Amdahl":                        {curveOf(100, 190, 345, 580), false},
		"a peak":                        {curveOf(100, 180, 260, 200), false},
		"flat":                          {curveOf(100, 100, 100, 100), false},
		"falling":                       {curveOf(100, 90, 60), false},
		"repeated sizes":                {[]Point{{1, 95}, {1, 105}, {2, 190}, {2, 210}, {4, 400}}, false},
	} {
		f, err := FitUSL(test.points)
		if err != nil {
			t.Fatal(err)
		}
		if rise, got := f.Superlinear(); got != test.want {
			t.Errorf("%s: got %v (%+v), want %v", name, got, rise, test.want)
		}
	}
}

// Linear points with the error of a knee search, up to 5 %, are seldom taken for superlinear.
func TestNoiseIsSeldomSuperlinear(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	taken := 0
	for range 200 {
		points := curveOf(100, 200, 400, 800, 1600)
		for i := range points {
			points[i].Rate *= 0.975 + 0.05*random.Float64()
		}
		f, err := FitUSL(points)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := f.Superlinear(); ok {
			taken++
		}
	}
	if taken > 2 {
		t.Errorf("%d of 200 were taken for superlinear", taken)
	}
}

func TestAtBounds(t *testing.T) {
	for name, test := range map[string]struct {
		points []Point
		want   []Bound
	}{
		"superlinear":     {curveOf(100, 230, 520, 1150), []Bound{{"alpha", 0}, {"beta", 0}}},
		"a straight line": {curveOf(100, 200, 400, 800), []Bound{{"alpha", 0}, {"beta", 0}}},
		"flat":            {curveOf(100, 100, 100, 100), []Bound{{"alpha", 1}, {"beta", 0}}},
		"a peak":          {curveOf(100, 180, 260, 200), []Bound{{"alpha", 0}}},
	} {
		f, err := FitUSL(test.points)
		if err != nil {
			t.Fatal(err)
		}
		got := f.AtBounds()
		if len(got) != len(test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
			continue
		}
		for i := range got {
			if got[i] != test.want[i] {
				t.Errorf("%s: got %v, want %v", name, got, test.want)
			}
		}
	}
}

func TestScatter(t *testing.T) {
	f, err := FitUSL(curveOf(100, 150, 500, 300))
	if err != nil || f.Scatter() < 0.3 {
		t.Errorf("got %v, %v", f.Scatter(), err)
	}
	if f, err = FitUSL(curveOf(100, 190, 345, 580)); err != nil || f.Scatter() > 0.02 {
		t.Errorf("got %v, %v", f.Scatter(), err)
	}
	if f, err = FitUSL(curveOf(100, 190, 345)); err != nil || !math.IsNaN(f.Scatter()) {
		t.Errorf("got %v, %v", f.Scatter(), err)
	}
}
