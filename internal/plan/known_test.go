package plan

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func share(v float64) *Share { s := Share(v); return &s }

func mustAnswer(t testing.TB, q Question) *Answer {
	t.Helper()
	a, err := q.Answer()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// The answers that are known beforehand.
func TestKnownAnswers(t *testing.T) {
	t.Run("peak 50,000, node 2,000, margin 0.3, efficiency 1: 33 nodes", func(t *testing.T) {
		a := mustAnswer(t, Question{PeakRPS: 50_000, NodeRPS: 2_000, Margin: share(0.3), Efficiency: share(1)})
		if a.Nodes != 33 || a.NodesLow != 33 || a.NodesHigh != 33 || !a.Reachable {
			t.Errorf("got %+v", a.Fleet)
		}
	})
	t.Run("peak 100,000, node 1,800, margin 0.5, efficiency 0.85: 99 nodes, with HA 100", func(t *testing.T) {
		q := Question{PeakRPS: 100_000, NodeRPS: 1_800, Margin: share(0.5), Efficiency: share(0.85)}
		if a := mustAnswer(t, q); a.Nodes != 99 {
			t.Errorf("%d nodes", a.Nodes)
		}
		q.HA = true
		if a := mustAnswer(t, q); a.Nodes != 100 || a.Carrying != 99 || a.Spares != 1 {
			t.Errorf("with HA: %+v", a.Fleet)
		}
	})
	t.Run("500 to 50,000 rps, stateful: REFACTOR_FIRST", func(t *testing.T) {
		a := mustAnswer(t, Question{CurrentRPS: 500, PeakRPS: 50_000})
		if a.Strategy != RefactorFirst || len(a.Moves) == 0 {
			t.Errorf("got %+v", a.Direction)
		}
	})
	t.Run("500 to 2,000 rps, stateless: SCALE_UP from a t3.medium to 8 times of it", func(t *testing.T) {
		a := mustAnswer(t, Question{CurrentRPS: 500, PeakRPS: 2_000, Stateless: true})
		if a.Strategy != ScaleUp || a.from.Type != "t3.medium" || a.to.VCPU != 8*a.from.VCPU {
			t.Errorf("got %+v", a.Direction)
		}
	})
	t.Run("500 to 50,000 rps, stateless: SCALE_OUT", func(t *testing.T) {
		a := mustAnswer(t, Question{CurrentRPS: 500, PeakRPS: 50_000, Stateless: true})
		if a.Strategy != ScaleOut || len(a.Moves) != 0 {
			t.Errorf("got %+v", a.Direction)
		}
	})
	t.Run("reads 0.9, 5 TB, 10k writes/s, 1 domain: READ_REPLICAS, 3", func(t *testing.T) {
		a := mustAnswer(t, Question{ReadRatio: share(0.9), DataSize: 5e12, WriteRate: 10_000, Domains: make(Domains, 1)})
		if a.Database.Strategy != ReadReplicas || a.Database.Replicas != 3 || a.Database.Servers != 4 {
			t.Errorf("got %+v", a.Database)
		}
	})
	t.Run("reads 0.9, nothing else known: 3 replicas as well", func(t *testing.T) {
		a := mustAnswer(t, Question{ReadRatio: share(0.9)})
		if a.Database.Strategy != ReadReplicas || a.Database.Replicas != 3 {
			t.Errorf("got %+v", a.Database)
		}
	})
	q := Question{ReadRatio: share(0.6), DataSize: 50e12, WriteRate: 100_000, Domains: make(Domains, 5), ClearBoundaries: true}
	t.Run("reads 0.6, 50 TB, 100k writes/s, 5 domains with clear boundaries: FEDERATION", func(t *testing.T) {
		a := mustAnswer(t, q)
		if a.Database.Strategy != Federation || a.Database.Primaries != 5 || a.Database.ShardAbove != 10e12 {
			t.Errorf("got %+v", a.Database)
		}
	})
	t.Run("the same with 30 TB of orders: those are sharded, above 10 TB", func(t *testing.T) {
		q := q
		q.Domains = Domains{{"orders", 30e12}, {"users", 5e12}, {"catalog", 5e12}, {"stock", 5e12}, {"mail", 5e12}}
		a := mustAnswer(t, q)
		if d := a.Database.Domains; a.Database.Strategy != Federation || d[0].Name != "orders" || d[0].Shards < 3 || d[1].Shards != 1 {
			t.Errorf("got %+v", a.Database)
		}
	})
	t.Run("the same without boundaries: SHARDING", func(t *testing.T) {
		q := q
		q.ClearBoundaries = false
		a := mustAnswer(t, q)
		if a.Database.Strategy != Sharding || a.Database.Shards < 5 {
			t.Errorf("got %+v", a.Database)
		}
	})
	t.Run("10,000 users, 10 % a month, 6 months: 17,716 users, 1,771,561 requests", func(t *testing.T) {
		a := mustAnswer(t, Question{Users: 10_000, Growth: share(0.1), Months: 6, RequestsPerUser: 100})
		if a.Forecast.Users != 17_716 || a.Forecast.RequestsPerDay != 1_771_561 {
			t.Errorf("got %+v", a.Forecast)
		}
	})
	t.Run("99.99 %: 52.56 min a year", func(t *testing.T) {
		a := mustAnswer(t, Question{Availability: 0.9999})
		near(t, "downtime", a.DowntimeYear, 52.56*60, 8)
		near(t, "availability", a.Uptime.Availability, 0.9999, 8)
	})
	t.Run("Cisco: 12,500 rps has no N", func(t *testing.T) {
		a := mustAnswer(t, Question{PeakRPS: 12_500, Margin: share(0), Scaling: cisco})
		if a.Reachable || a.Nodes != 0 {
			t.Errorf("got %+v", a.Fleet)
		}
	})
	t.Run("8 of 9 nodes at 99 % are 99.66 %", func(t *testing.T) {
		a := mustAnswer(t, Question{PeakRPS: 800, NodeRPS: 100, Margin: share(0), HA: true, NodeAvailability: 0.99})
		near(t, "availability", a.Uptime.Availability, 0.99656427, 8)
	})
	t.Run("load balancer 99.99 % × 2 of 3 × database 99.95 %", func(t *testing.T) {
		a := mustAnswer(t, Question{PeakRPS: 200, NodeRPS: 100, Margin: share(0), HA: true, NodeAvailability: 0.99,
			Depends: Dependencies{{"lb", 0.9999}, {"db", 0.9995}}})
		near(t, "availability", a.Uptime.Availability, 0.99910223, 8)
	})
	t.Run("1000 rps and a tenth more are 10 nodes of 110, not 11", func(t *testing.T) {
		a := mustAnswer(t, Question{PeakRPS: 1000, NodeRPS: 110, Margin: share(0.1)})
		if a.Nodes != 10 {
			t.Errorf("%d nodes", a.Nodes)
		}
	})
}

// The smallest N whose fitted throughput reaches the peak: by brute force, over laws of all shapes.
func TestNodesAreTheSmallestThatReach(t *testing.T) {
	for _, law := range []USL{{0.02, 0.0005, 1000}, {0.05, 0, 1000}, {0, 0, 1000}, {0.1, 0.01, 1000}, {0, 0.001, 1000}} {
		s := &supply{node: law.Gamma, at: law.Throughput, rising: maxNodes}
		if nodes, _ := law.Peak(); nodes < maxNodes {
			s.rising = int(nodes)
		}
		for _, margin := range []*Share{nil, share(0), share(0.4)} {
			const most = 300
			need := make([]float64, most+1) // of a peak of 1
			for n := 1; n <= most; n++ {
				need[n] = demand{peak: 1, margin: margin, cores: 2}.of(n)
			}
			for peak := 500.0; peak < 40_000; peak *= 1.3 {
				want := 1
				for want <= most && !reaches(law.Throughput(float64(want)), peak*need[want]) {
					want++
				}
				got, ok := smallest(s, demand{peak: peak, margin: margin, cores: 2})
				if want <= most && got != want || want > most && ok && got <= most {
					t.Fatalf("%+v, peak %.0f, margin %v: %d (%t), by brute force %d", law, peak, margin, got, ok, want)
				}
			}
		}
	}
}

// More peak, more margin, less efficiency, a higher target: never fewer nodes.
func TestMoreIsNeverFewerNodes(t *testing.T) {
	scaling := Points(only(cisco, 1, 2, 3, 4, 6, 8, 12, 16))
	base := func() Question { return Question{PeakRPS: 4000, NodeRPS: 900, Margin: share(0.2)} }
	for name, grow := range map[string]func(q *Question, i int){
		"peak":         func(q *Question, i int) { q.PeakRPS = Rate(500 * (i + 1)) },
		"margin":       func(q *Question, i int) { q.Margin = share(float64(i) / 20) },
		"efficiency":   func(q *Question, i int) { q.Efficiency = share(1 / (1 + float64(i)/10)) },
		"availability": func(q *Question, i int) { q.Availability = Availability(1 - math.Pow(10, -1-float64(i)/5)) },
		"headroom":     func(q *Question, i int) { q.Margin, q.PeakRPS = nil, Rate(500*(i+1)) },
		"burstiness":   func(q *Question, i int) { q.Margin, q.Burstiness = nil, float64(i) },
		"measured":     func(q *Question, i int) { q.NodeRPS, q.Scaling, q.PeakRPS = 0, scaling, Rate(500*(i+1)) },
		"measured, margin": func(q *Question, i int) {
			q.NodeRPS, q.Scaling, q.Margin = 0, scaling, share(float64(i)/20)
		},
	} {
		t.Run(name, func(t *testing.T) {
			last := 0
			for i := range 24 {
				q := base()
				grow(&q, i)
				a := mustAnswer(t, q)
				if !a.Reachable {
					last = math.MaxInt
					continue
				}
				if a.Nodes < last {
					t.Fatalf("step %d: %d nodes after %d", i, a.Nodes, last)
				}
				if a.NodesLow > a.Nodes || a.NodesHigh > 0 && a.NodesHigh < a.Nodes {
					t.Fatalf("step %d: %d nodes outside %d to %d", i, a.Nodes, a.NodesLow, a.NodesHigh)
				}
				last = a.Nodes
			}
		})
	}
}

func TestNothingIsClaimedBeyondTwiceTheLargestFleetInSilence(t *testing.T) {
	scaling := Points(only(cisco, 1, 2, 3, 4, 5, 6))
	near := mustAnswer(t, Question{PeakRPS: 8000, Margin: share(0), Scaling: scaling})
	far := mustAnswer(t, Question{PeakRPS: 12_000, Margin: share(0), Scaling: scaling})
	if near.Extrapolated || near.Nodes <= 6 || near.Nodes > 12 || len(near.Warnings) == 0 {
		t.Errorf("up to twice: %+v, %v", near.Fleet, near.Warnings)
	}
	if !far.Extrapolated || far.Nodes <= 12 || len(far.Warnings) == 0 {
		t.Errorf("beyond twice: %+v, %v", far.Fleet, far.Warnings)
	}
}

// One machine is never redundant: asking for availability rules a larger machine out.
func TestHighAvailabilityNeedsASecondMachine(t *testing.T) {
	for _, q := range []Question{
		{CurrentRPS: 500, PeakRPS: 2000, Stateless: true, HA: true},
		{CurrentRPS: 500, PeakRPS: 2000, Stateless: true, Availability: 0.999},
	} {
		if a := mustAnswer(t, q); a.Strategy != ScaleOut {
			t.Errorf("%+v: %s", q, a.Strategy)
		}
	}
	if a := mustAnswer(t, Question{CurrentRPS: 500, PeakRPS: 2000, HA: true}); a.Strategy != RefactorFirst {
		t.Errorf("stateful: %s", a.Strategy)
	}
	if a := mustAnswer(t, Question{CurrentRPS: 500, PeakRPS: 2000}); a.Strategy != ScaleUp {
		t.Errorf("stateful and not redundant: %s", a.Strategy)
	}
}

// Scaling out a service whose nodes share too much is no way either.
func TestNoNumberOfNodesIsARefactoring(t *testing.T) {
	a := mustAnswer(t, Question{CurrentRPS: 900, PeakRPS: 50_000, Stateless: true, Scaling: cisco})
	if a.Strategy != RefactorFirst || a.Reachable {
		t.Errorf("%s, %+v", a.Strategy, a.Fleet)
	}
}

// With the law's peak near, spares that run as well would slow the fleet down.
func TestSparesBeyondThePeakAreKeptStopped(t *testing.T) {
	law := USL{0.1, 0.01, 1000} // X(9) = 3,571 is its best
	var scaling Points
	for n := 1; n <= 8; n++ {
		scaling = append(scaling, Point{n, law.Throughput(float64(n))})
	}
	a := mustAnswer(t, Question{PeakRPS: 3560, Margin: share(0), Scaling: scaling, Availability: 0.99999})
	if a.Fleet.Carrying != 9 || a.CapacityRPS >= a.RequiredRPS {
		t.Fatalf("got %+v", a.Fleet)
	}
	wantNote(t, a.Warnings, "keep the spares stopped")
}

func wantNote(t *testing.T, notes []Note, text string) {
	t.Helper()
	if !slices.ContainsFunc(notes, func(n Note) bool { return strings.Contains(n.Text, text) }) {
		t.Errorf("nothing says %q: %v", text, notes)
	}
}

func TestSharedCoresAreNoScalingMeasurement(t *testing.T) {
	m := &Measured{SharedCores: true}
	for _, p := range cisco[:6] {
		m.Scaling = append(m.Scaling, Size{Nodes: p.Nodes, Knee: &Knee{Rate: p.RPS}})
	}
	a := mustAnswer(t, Question{PeakRPS: 5000, Measured: m})
	wantNote(t, a.Warnings, "shared the cores of one machine")
}

func TestCostIsNeverShownWithoutItsDate(t *testing.T) {
	a := mustAnswer(t, Question{PeakRPS: 100_000, NodeRPS: 1_800, Margin: share(0.5), Efficiency: share(0.85), HA: true, Instance: "t3.medium"})
	near(t, "cost", a.Cost.PerHour, 4.16, 4)
	if a.AsOf == "" || a.Source == "" {
		t.Errorf("no date or source: %+v", a.Cost)
	}
	if b := mustAnswer(t, Question{PeakRPS: 1000, NodeRPS: 100}); b.Cost != nil {
		t.Errorf("cost was not asked: %+v", b.Cost)
	}
	up := mustAnswer(t, Question{CurrentRPS: 500, PeakRPS: 2000, Instance: "t3.medium"})
	if up.Machines != 1 || up.Cost.Type != up.ScaleUpTo {
		t.Errorf("scaling up costs the larger machine: %+v", up.Cost)
	}
}

func TestConnectionsAgainstMaxConnections(t *testing.T) {
	q := Question{PeakRPS: 900, NodeRPS: 100, Margin: share(0), Pool: 20, MaxConnections: 200}
	c := mustAnswer(t, q).Database.Connections // 9 nodes, 10 during a deploy; 180 of 200 may be used
	if c.Total != 200 || c.Fits || c.LargestPool != 18 {
		t.Errorf("got %+v", c)
	}
	q.Pool = 18
	if c := mustAnswer(t, q).Database.Connections; !c.Fits {
		t.Errorf("got %+v", c)
	}
}

func TestGrowthAppliesToWhatIsGiven(t *testing.T) {
	for name, c := range map[string]struct {
		q    Question
		want float64
	}{
		"the peak":                  {Question{PeakRPS: 1000, NodeRPS: 100, Growth: share(0.1), Months: 6}, 1771.561},
		"today's rate":              {Question{CurrentRPS: 1000, NodeRPS: 100, Growth: share(0.1), Months: 6}, 1771.561},
		"users, not a given peak":   {Question{PeakRPS: 1000, NodeRPS: 100, Users: 10_000, Growth: share(0.1), Months: 6}, 1000},
		"users, without a peak":     {Question{NodeRPS: 100, Users: 10_000, Growth: share(0.1), Months: 6}, 1771561.0 / 86400 * 3},
		"users that do not grow":    {Question{NodeRPS: 100, Users: 86_400, RequestsPerUser: 1, PeakFactor: 2}, 2},
		"a rate that does not grow": {Question{PeakRPS: 1000, NodeRPS: 100, Growth: share(0), Months: 6}, 1000},
	} {
		near(t, name, mustAnswer(t, c.q).Fleet.PeakRPS, c.want, 8)
	}
}
