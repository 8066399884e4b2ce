package plan

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/queueing"
)

// cisco is a published curve: the example of codahale/usl.
var cisco = sizes(1, 955.16, 1878.91, 2688.01, 3548.68, 4315.54, 5130.43, 5931.37, 6531.08, 7219.8, 7867.61, 8278.71, 8646.7,
	9047.84, 9426.55, 9645.37, 9897.24, 10097.6, 10240.5, 10532.39, 10798.52, 11151.43, 11518.63, 11806, 12089.37, 12075.41,
	12177.29, 12211.41, 12158.93, 12155.27, 12118.04, 12140.4, 12074.39)

// sizes returns a point for each rate, at fleet sizes that start with first.
func sizes(first int, rates ...float64) (points Points) {
	for i, v := range rates {
		points = append(points, queueing.Point{Nodes: first + i, Rate: v})
	}
	return points
}

// only returns the points of the given fleet sizes.
func only(points Points, nodes ...int) (some Points) {
	for _, p := range points {
		if slices.Contains(nodes, p.Nodes) {
			some = append(some, p)
		}
	}
	return some
}

func share(v float64) *Share { s := Share(v); return &s }

func mustDecide(t testing.TB, in Inputs) *Plan {
	t.Helper()
	p, err := Decide(in)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// near checks that a value equals another in the given number of significant digits.
func near(t testing.TB, name string, got, want float64, digits int) {
	t.Helper()
	if math.Abs(got-want) > 0.5000001*math.Pow(10, math.Ceil(math.Log10(math.Abs(want)))-float64(digits)) {
		t.Errorf("%s = %.9g, want %.9g", name, got, want)
	}
}

func wantNote(t *testing.T, notes []Note, text string) {
	t.Helper()
	if !slices.ContainsFunc(notes, func(n Note) bool { return strings.Contains(n.String(), text) }) {
		t.Errorf("no note contains %q: %v", text, notes)
	}
}
