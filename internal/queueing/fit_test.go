package queueing

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Published measurements: SPEC SDM91 and the ray tracer are data sets of R's package usl. Cisco is the example of codahale/usl.
var (
	specSDM91 = []Point{{1, 64.9}, {18, 995.9}, {36, 1652.4}, {72, 1853.2}, {108, 1828.9}, {144, 1775.0}, {216, 1702.2}}
	rayTracer = []Point{{1, 20}, {4, 78}, {8, 130}, {12, 170}, {16, 190}, {20, 200}, {24, 210}, {28, 230}, {32, 260}, {48, 280},
		{64, 310}}
	cisco = sizes(1, 955.16, 1878.91, 2688.01, 3548.68, 4315.54, 5130.43, 5931.37, 6531.08, 7219.8, 7867.61, 8278.71, 8646.7,
		9047.84, 9426.55, 9645.37, 9897.24, 10097.6, 10240.5, 10532.39, 10798.52, 11151.43, 11518.63, 11806, 12089.37, 12075.41,
		12177.29, 12211.41, 12158.93, 12155.27, 12118.04, 12140.4, 12074.39)
)

// sizes returns a point for each rate, at fleet sizes that start with first.
func sizes(first int, rates ...float64) (points []Point) {
	for i, v := range rates {
		points = append(points, Point{first + i, v})
	}
	return points
}

// only returns the points of the given fleet sizes.
func only(points []Point, nodes ...int) (some []Point) {
	for _, p := range points {
		if slices.Contains(nodes, p.Nodes) {
			some = append(some, p)
		}
	}
	return some
}

func mustFit(t testing.TB, points []Point) *Fit {
	t.Helper()
	f, err := FitUSL(points)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// near checks that a value equals another in the given number of significant digits.
func near(t testing.TB, name string, got, want float64, digits int) {
	t.Helper()
	if math.Abs(got-want) > 0.5000001*math.Pow(10, math.Ceil(math.Log10(math.Abs(want)))-float64(digits)) {
		t.Errorf("%s = %.9g, want %.9g", name, got, want)
	}
}

func TestFitReproducesPublishedFits(t *testing.T) {
	t.Run("SPEC SDM91", func(t *testing.T) { // R usl, README and tests
		f := mustFit(t, specSDM91)
		near(t, "alpha", f.Alpha, 0.0277285, 6)
		near(t, "alpha SE", f.SE.Alpha, 0.0091217, 5)
		near(t, "beta", f.Beta, 0.0001044, 4)
		near(t, "beta SE", f.SE.Beta, 0.0000199, 3)
		near(t, "gamma", f.Gamma, 89.9952330, 8)
		near(t, "gamma SE", f.SE.Gamma, 14.2134894, 8)
		near(t, "residual standard error", f.RSE, 82.85, 4)
		if f.DF != 4 {
			t.Errorf("degrees of freedom = %d, want 4", f.DF)
		}
		nodes, rate := f.Peak()
		near(t, "peak nodes", nodes, 96.51956, 7)
		near(t, "peak rate", rate, 1884, 4)
		near(t, "limit", f.Limit(), 3245.589, 7)
		near(t, "optimum", f.Optimum(), 36.06401, 7)
		near(t, "throughput at the optimum", f.Throughput(f.Optimum()), 1542, 4)
	})
	t.Run("ray tracer", func(t *testing.T) { // R usl, tests/confint: beta is at its bound
		f := mustFit(t, rayTracer)
		near(t, "alpha", f.Alpha, 0.0578, 3)
		near(t, "gamma", f.Gamma, 21.8488, 6)
		if f.Beta != 0 || f.Beta95.Low != 0 || f.Beta95.High <= 0 || f.Alpha95.Low <= 0 {
			t.Errorf("beta = %g in %v, alpha in %v: want beta 0 with a one-sided interval, and alpha above 0", f.Beta, f.Beta95, f.Alpha95)
		}
	})
	t.Run("Cisco", func(t *testing.T) { // codahale/usl, model_test.go
		f := mustFit(t, cisco)
		near(t, "alpha", f.Alpha, 0.02671591, 5)
		near(t, "beta", f.Beta, 7.690945e-4, 5)
		near(t, "gamma", f.Gamma, 995.6486, 5)
		nodes, _ := f.Peak()
		near(t, "peak nodes", math.Floor(nodes), 35, 2)
		near(t, "X(20)", f.Throughput(20), 11063.63, 5)
		near(t, "X(35)", f.Throughput(35), 12341.745, 5)
	})
	t.Run("generator", func(t *testing.T) { // R usl, tests/coef
		f := mustFit(t, []Point{{1, 1}, {2, 1.8868}, {4, 3.0769}, {6, 3.5294}, {8, 3.5398}, {10, 3.3557}})
		near(t, "alpha", f.Alpha, 0.02, 2)
		near(t, "beta", f.Beta, 0.02, 2)
		near(t, "gamma", f.Gamma, 1, 3)
	})
	t.Run("what-if", func(t *testing.T) {
		u := USL{Alpha: 0.001, Beta: 1e-5, Gamma: 89.99523}
		nodes, _ := u.Peak()
		near(t, "peak nodes", nodes, 316.0696, 7)
		near(t, "limit", u.Limit(), 89995.23, 7)
	})
}

// A fit of the small fleets predicts the large ones with the published errors. For this reason a plan warns beyond twice the
// largest measured fleet.
func TestExtrapolationHasThePublishedError(t *testing.T) {
	for _, c := range []struct {
		name     string
		points   []Point
		at       int
		predicts float64
		measured float64
	}{
		{"Cisco 1,2,4,8", only(cisco, 1, 2, 4, 8), 16, 11196, 9897},
		{"Cisco 1,2,4,8", only(cisco, 1, 2, 4, 8), 32, 17423, 12074},
		{"Cisco 1..8", only(cisco, 1, 2, 3, 4, 5, 6, 7, 8), 32, 16089, 12074},
		{"Cisco 1,2,4,8,16", only(cisco, 1, 2, 4, 8, 16), 32, 10465, 12074},
		{"ray tracer", only(rayTracer, 1, 4, 8, 12, 16), 64, 156, 310},
	} {
		f := mustFit(t, c.points)
		x := f.Throughput(float64(c.at))
		t.Logf("%s: X(%d) = %.0f, measured %.0f (%+.0f%%), 95%% interval %v", c.name, c.at, x, c.measured, 100*(x/c.measured-1),
			f.Predict(float64(c.at)))
		near(t, c.name, x, c.predicts, int(math.Ceil(math.Log10(c.predicts))))
		if in := f.Predict(float64(c.at)); c.measured < in.Low || c.measured > in.High {
			t.Errorf("%s: the rate measured at %d nodes, %g, is outside the interval %v", c.name, c.at, c.measured, in)
		}
	}
}

// The test simulates measurements of known laws with seeded errors. The intervals must contain the true law in 95 % of the
// runs. This also holds near the bounds, and for errors that are a number of requests or a percentage.
func TestIntervalsContainTheTrueLawIn95PercentOfRuns(t *testing.T) {
	const runs = 200 // for each of 30 combinations; 1,000 runs give the same figures
	designs := []struct {
		nodes []int
		noise float64
	}{
		{[]int{1, 2, 3, 4}, 0.01},
		{[]int{1, 2, 3, 4, 6, 8}, 0.02},
		{[]int{1, 1, 2, 2, 4, 4, 8, 8, 16, 16, 32, 32}, 0.05},
	}
	laws := []struct {
		name string
		USL
	}{
		{"contention and coherency", USL{0.02, 0.0005, 1000}},
		{"contention only", USL{0.05, 0, 1000}},
		{"coherency only", USL{0, 0.001, 1000}},
		{"a straight line", USL{0, 0, 1000}},
		{"an early peak", USL{0.1, 0.01, 1000}},
	}
	var all coverage // sum over all combinations
	t.Cleanup(func() {
		combinations := float64(len(laws) * len(designs) * 2)
		t.Logf("mean coverage: α %.1f%%  β %.1f%%  γ %.1f%%", all.alpha/combinations, all.beta/combinations, all.gamma/combinations)
		if min(all.alpha, all.beta, all.gamma)/combinations < 95 {
			t.Errorf("the mean coverage of a parameter is below 95%%")
		}
	})
	var mu sync.Mutex
	for _, law := range laws {
		for _, d := range designs {
			for _, relative := range []bool{false, true} {
				name := fmt.Sprintf("%s, %d points, %g%% noise", law.name, len(d.nodes), d.noise*100)
				if relative {
					name += ", relative"
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					c := measureCoverage(t, law.USL, d.nodes, d.noise, relative, runs)
					mu.Lock()
					all.alpha, all.beta, all.gamma = all.alpha+c.alpha, all.beta+c.beta, all.gamma+c.gamma
					mu.Unlock()
					t.Logf("true law in 95%% interval: α %.1f%%  β %.1f%%  γ %.1f%%  X(twice the largest) %.1f%%  all three at once %.1f%%;  "+
						"estimate ± 1.96·SE: α %.1f%%  β %.1f%%", c.alpha, c.beta, c.gamma, c.twice, c.all, c.naiveAlpha, c.naiveBeta)
					least := 95 - 3*math.Sqrt(95*5.0/runs) // three standard deviations below a true 95 %
					for name, got := range map[string]float64{"α": c.alpha, "β": c.beta, "γ": c.gamma, "X": c.twice} {
						if got < least {
							t.Errorf("%s is in its interval in %.1f%% of %d runs, want 95%%", name, got, runs)
						}
					}
				})
			}
		}
	}
}

// coverage is the percentage of runs in which each interval contained the true value.
type coverage struct{ alpha, beta, gamma, twice, all, naiveAlpha, naiveBeta float64 }

func measureCoverage(t *testing.T, law USL, nodes []int, noise float64, relative bool, runs int) (c coverage) {
	rng := rand.New(rand.NewPCG(7, 9))
	var mean float64
	for _, n := range nodes {
		mean += law.Throughput(float64(n)) / float64(len(nodes))
	}
	each := 100 / float64(runs)
	hit := func(share *float64, i Interval, v float64) bool {
		if i.Low <= v && v <= i.High {
			*share += each
			return true
		}
		return false
	}
	twice := 2 * float64(slices.Max(nodes))
	for range runs {
		var points []Point
		for _, n := range nodes {
			x := law.Throughput(float64(n))
			sd := noise * mean
			if relative {
				sd = noise * x
			}
			points = append(points, Point{n, max(1, x+sd*rng.NormFloat64())})
		}
		f := mustFit(t, points)
		a, b, g := hit(&c.alpha, f.Alpha95, law.Alpha), hit(&c.beta, f.Beta95, law.Beta), hit(&c.gamma, f.Gamma95, law.Gamma)
		if a && b && g {
			c.all += each
		}
		hit(&c.twice, f.Predict(twice), law.Throughput(twice))
		hit(&c.naiveAlpha, Interval{f.Alpha - 1.96*f.SE.Alpha, f.Alpha + 1.96*f.SE.Alpha}, law.Alpha)
		hit(&c.naiveBeta, Interval{f.Beta - 1.96*f.SE.Beta, f.Beta + 1.96*f.SE.Beta}, law.Beta)
	}
	return c
}

// The fit has a smaller sum of squares than every law on a grid within the bounds, for random measurements.
func TestFitFindsTheLeastSquares(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var points []Point
		for n := 1; len(points) < 6; n += 1 + rng.IntN(4) {
			points = append(points, Point{n, 1 + 1000*rng.Float64()*float64(1+rng.IntN(n))})
		}
		f := mustFit(t, points)
		ls := leastSquares{points: points, at: 1}
		least := ls.sum(ls.parameters(f.USL))
		for _, alpha := range []float64{0, 0.001, 0.01, 0.03, 0.1, 0.3, 0.6, 1} {
			for _, beta := range []float64{0, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.5, 1} {
				shape := USL{alpha, beta, 1}
				var xy, xx float64 // for given α and β the best γ is linear regression
				for _, p := range points {
					x := shape.Throughput(float64(p.Nodes))
					xy, xx = xy+x*p.Rate, xx+x*x
				}
				if sum := ls.sum(parameters{xy / xx, alpha, beta}); sum < least*(1-1e-6) {
					t.Fatalf("%v: fit %+v leaves %g, but %+v leaves %g", points, f.USL, least, USL{alpha, beta, xy / xx}, sum)
				}
			}
		}
	}
}

func TestIntervalsContainTheEstimate(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		var points []Point
		for n := 1; n <= 6; n++ {
			points = append(points, Point{n, 1 + 1000*rng.Float64()})
		}
		f := mustFit(t, points)
		for name, in := range map[string]struct {
			Interval
			v float64
		}{"α": {f.Alpha95, f.Alpha}, "β": {f.Beta95, f.Beta}, "γ": {f.Gamma95, f.Gamma}, "X(9)": {f.Predict(9), f.Throughput(9)}} {
			if !(in.Low <= in.v*(1+1e-9) && in.v <= in.High*(1+1e-9)) || in.Low < 0 {
				t.Fatalf("%v: %s = %g is not in %+v", points, name, in.v, in.Interval)
			}
		}
	}
}

func TestFitNeedsThreeFleetSizes(t *testing.T) {
	for _, points := range [][]Point{nil, {{1, 100}}, {{1, 100}, {2, 190}}, {{1, 100}, {2, 190}, {2, 191}, {1, 99}}} {
		if _, err := FitUSL(points); err == nil {
			t.Errorf("%v: want an error", points)
		}
	}
	f := mustFit(t, []Point{{3, 270}, {1, 100}, {2, 190}})
	if f.DF != 0 || !math.IsNaN(f.RSE) || f.Beta95 != (Interval{0, 1}) || f.Predict(5).Low != 0 {
		t.Errorf("a fit of three points must have no error estimate: %+v", f)
	}
}

func TestFitRefusesPointsOutOfRange(t *testing.T) {
	for want, bad := range map[string]Point{
		"fleet size 0: want 1 to 1,000,000":       {0, 5},
		"fleet size 1000001: want 1 to 1,000,000": {1_000_001, 5},
		"rate 0 of fleet size 4: want above 0":    {4, 0},
		"rate NaN of fleet size 4: want above 0":  {4, math.NaN()},
		"rate +Inf of fleet size 4: want above 0": {4, math.Inf(1)},
	} {
		_, err := FitUSL([]Point{{1, 100}, {2, 190}, {3, 270}, bad})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", bad, err, want)
		}
	}
}

func BenchmarkFit(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		mustFit(b, only(cisco, 1, 2, 3, 4, 6, 8))
	}
}
