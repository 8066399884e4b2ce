package plan

import (
	"math"
	"testing"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/queueing"
)

// Questions whose answers are known.
func TestKnownPlans(t *testing.T) {
	t.Run("peak 50,000, node 2,000, margin 0.3, efficiency 1: 33 nodes", func(t *testing.T) {
		p := mustDecide(t, Inputs{PeakRPS: 50_000, NodeRPS: 2_000, Margin: share(0.3), Efficiency: share(1)})
		if p.Fleet.Nodes != 33 || p.Fleet.NodesLow != 33 || p.Fleet.NodesHigh != 33 || !p.Fleet.Reachable {
			t.Errorf("got %+v", p.Fleet)
		}
	})
	t.Run("peak 100,000, node 1,800, margin 0.5, efficiency 0.85: 99 nodes, with HA 100", func(t *testing.T) {
		in := Inputs{PeakRPS: 100_000, NodeRPS: 1_800, Margin: share(0.5), Efficiency: share(0.85)}
		if p := mustDecide(t, in); p.Fleet.Nodes != 99 {
			t.Errorf("%d nodes", p.Fleet.Nodes)
		}
		in.HA = true
		if p := mustDecide(t, in); p.Fleet.Nodes != 100 || p.Fleet.Carrying != 99 || p.Fleet.Spares != 1 {
			t.Errorf("with HA: %+v", p.Fleet)
		}
	})
	t.Run("500 to 50,000 rps, stateful: REFACTOR_FIRST", func(t *testing.T) {
		p := mustDecide(t, Inputs{CurrentRPS: 500, PeakRPS: 50_000})
		if p.Strategy.Kind != RefactorFirst || len(p.Strategy.Moves) == 0 {
			t.Errorf("got %+v", p.Strategy)
		}
	})
	t.Run("500 to 2,000 rps, stateless: SCALE_UP from a t3.medium to 8 times of it", func(t *testing.T) {
		p := mustDecide(t, Inputs{CurrentRPS: 500, PeakRPS: 2_000, Stateless: true})
		if p.Strategy.Kind != ScaleUp || p.Strategy.from.Type != "t3.medium" || p.Strategy.to.VCPU != 8*p.Strategy.from.VCPU {
			t.Errorf("got %+v", p.Strategy)
		}
	})
	t.Run("500 to 50,000 rps, stateless: SCALE_OUT", func(t *testing.T) {
		p := mustDecide(t, Inputs{CurrentRPS: 500, PeakRPS: 50_000, Stateless: true})
		if p.Strategy.Kind != ScaleOut || len(p.Strategy.Moves) != 0 {
			t.Errorf("got %+v", p.Strategy)
		}
	})
	t.Run("reads 0.9, 5 TB, 10k writes/s, 1 domain: READ_REPLICAS, 3", func(t *testing.T) {
		p := mustDecide(t, Inputs{ReadRatio: share(0.9), DataSize: 5e12, WriteRate: 10_000, Domains: make(Domains, 1)})
		if p.Database.Strategy != ReadReplicas || p.Database.Replicas != 3 || p.Database.Servers != 4 {
			t.Errorf("got %+v", p.Database)
		}
	})
	t.Run("reads 0.9, nothing else known: 3 replicas as well", func(t *testing.T) {
		p := mustDecide(t, Inputs{ReadRatio: share(0.9)})
		if p.Database.Strategy != ReadReplicas || p.Database.Replicas != 3 {
			t.Errorf("got %+v", p.Database)
		}
	})
	in := Inputs{ReadRatio: share(0.6), DataSize: 50e12, WriteRate: 100_000, Domains: make(Domains, 5), ClearBoundaries: true}
	t.Run("reads 0.6, 50 TB, 100k writes/s, 5 domains with clear boundaries: FEDERATION", func(t *testing.T) {
		p := mustDecide(t, in)
		if p.Database.Strategy != Federation || p.Database.Primaries != 5 || p.Database.ShardAbove != 10e12 {
			t.Errorf("got %+v", p.Database)
		}
	})
	t.Run("the same with 30 TB of orders: those are sharded, above 10 TB", func(t *testing.T) {
		in := in
		in.Domains = Domains{{"orders", 30e12}, {"users", 5e12}, {"catalog", 5e12}, {"stock", 5e12}, {"mail", 5e12}}
		p := mustDecide(t, in)
		if d := p.Database.Domains; p.Database.Strategy != Federation || d[0].Name != "orders" || d[0].Shards < 3 || d[1].Shards != 1 {
			t.Errorf("got %+v", p.Database)
		}
	})
	t.Run("the same without boundaries: SHARDING", func(t *testing.T) {
		in := in
		in.ClearBoundaries = false
		p := mustDecide(t, in)
		if p.Database.Strategy != Sharding || p.Database.Shards < 5 {
			t.Errorf("got %+v", p.Database)
		}
	})
	t.Run("10,000 users, 10 % a month, 6 months: 17,716 users, 1,771,561 requests", func(t *testing.T) {
		p := mustDecide(t, Inputs{Users: 10_000, Growth: share(0.1), Months: 6, RequestsPerUser: 100})
		if p.Forecast.Users != 17_716 || p.Forecast.RequestsPerDay != 1_771_561 {
			t.Errorf("got %+v", p.Forecast)
		}
	})
	t.Run("99.99 %: 52.56 min a year", func(t *testing.T) {
		p := mustDecide(t, Inputs{Availability: 0.9999})
		near(t, "downtime", p.Availability.DowntimeYear, 52.56*60, 8)
		near(t, "availability", p.Availability.Availability, 0.9999, 8)
	})
	t.Run("Cisco: 12,500 rps has no N", func(t *testing.T) {
		p := mustDecide(t, Inputs{PeakRPS: 12_500, Margin: share(0), Scaling: cisco})
		if p.Fleet.Reachable || p.Fleet.Nodes != 0 {
			t.Errorf("got %+v", p.Fleet)
		}
	})
	t.Run("8 of 9 nodes at 99 % are 99.66 %", func(t *testing.T) {
		p := mustDecide(t, Inputs{PeakRPS: 800, NodeRPS: 100, Margin: share(0), HA: true, NodeAvailability: 0.99})
		near(t, "availability", p.Availability.Availability, 0.99656427, 8)
	})
	t.Run("load balancer 99.99 % × 2 of 3 × database 99.95 %", func(t *testing.T) {
		p := mustDecide(t, Inputs{PeakRPS: 200, NodeRPS: 100, Margin: share(0), HA: true, NodeAvailability: 0.99,
			Depends: Dependencies{{"lb", 0.9999}, {"db", 0.9995}}})
		near(t, "availability", p.Availability.Availability, 0.99910223, 8)
	})
	t.Run("1000 rps and a tenth more are 10 nodes of 110, not 11", func(t *testing.T) {
		p := mustDecide(t, Inputs{PeakRPS: 1000, NodeRPS: 110, Margin: share(0.1)})
		if p.Fleet.Nodes != 10 {
			t.Errorf("%d nodes", p.Fleet.Nodes)
		}
	})
}

// For laws of all shapes, a brute-force search finds the same smallest fleet.
func TestFleetIsTheSmallestThatReaches(t *testing.T) {
	for _, law := range []queueing.USL{{Alpha: 0.02, Beta: 0.0005, Gamma: 1000}, {Alpha: 0.05, Gamma: 1000}, {Gamma: 1000},
		{Alpha: 0.1, Beta: 0.01, Gamma: 1000}, {Beta: 0.001, Gamma: 1000}} {
		c := capacity{fit: &queueing.Fit{USL: law}}
		for _, margin := range []*Share{nil, share(0), share(0.4)} {
			const most = 300
			need := make([]float64, most+1) // for a peak of 1
			for n := 1; n <= most; n++ {
				need[n] = demand{peak: 1, margin: margin, cores: 2}.of(n)
			}
			for peak := 500.0; peak < 40_000; peak *= 1.3 {
				want := 1
				for want <= most && !reaches(law.Throughput(float64(want)), peak*need[want]) {
					want++
				}
				got, ok := smallestFleet(c, demand{peak: peak, margin: margin, cores: 2})
				if want <= most && got != want || want > most && ok && got <= most {
					t.Fatalf("%+v, peak %.0f, margin %v: %d (%t), by brute force %d", law, peak, margin, got, ok, want)
				}
			}
		}
	}
}

// A higher peak, margin or target, or a lower efficiency, never gives fewer nodes.
func TestHigherDemandNeverGivesFewerNodes(t *testing.T) {
	scaling := only(cisco, 1, 2, 3, 4, 6, 8, 12, 16)
	base := func() Inputs { return Inputs{PeakRPS: 4000, NodeRPS: 900, Margin: share(0.2)} }
	for name, grow := range map[string]func(in *Inputs, i int){
		"peak":         func(in *Inputs, i int) { in.PeakRPS = Rate(500 * (i + 1)) },
		"margin":       func(in *Inputs, i int) { in.Margin = share(float64(i) / 20) },
		"efficiency":   func(in *Inputs, i int) { in.Efficiency = share(1 / (1 + float64(i)/10)) },
		"availability": func(in *Inputs, i int) { in.Availability = AvailabilityShare(1 - math.Pow(10, -1-float64(i)/5)) },
		"headroom":     func(in *Inputs, i int) { in.Margin, in.PeakRPS = nil, Rate(500*(i+1)) },
		"burstiness":   func(in *Inputs, i int) { in.Margin, in.Burstiness = nil, float64(i) },
		"measured":     func(in *Inputs, i int) { in.NodeRPS, in.Scaling, in.PeakRPS = 0, scaling, Rate(500*(i+1)) },
		"measured, margin": func(in *Inputs, i int) {
			in.NodeRPS, in.Scaling, in.Margin = 0, scaling, share(float64(i)/20)
		},
	} {
		t.Run(name, func(t *testing.T) {
			last := 0
			for i := range 24 {
				in := base()
				grow(&in, i)
				p := mustDecide(t, in)
				if !p.Fleet.Reachable {
					last = math.MaxInt
					continue
				}
				if p.Fleet.Nodes < last {
					t.Fatalf("step %d: %d nodes after %d", i, p.Fleet.Nodes, last)
				}
				if p.Fleet.NodesLow > p.Fleet.Nodes || p.Fleet.NodesHigh > 0 && p.Fleet.NodesHigh < p.Fleet.Nodes {
					t.Fatalf("step %d: %d nodes outside %d to %d", i, p.Fleet.Nodes, p.Fleet.NodesLow, p.Fleet.NodesHigh)
				}
				last = p.Fleet.Nodes
			}
		})
	}
}

func TestPlanWarnsBeyondTwiceTheLargestMeasuredFleet(t *testing.T) {
	scaling := only(cisco, 1, 2, 3, 4, 5, 6)
	near := mustDecide(t, Inputs{PeakRPS: 8000, Margin: share(0), Scaling: scaling})
	far := mustDecide(t, Inputs{PeakRPS: 12_000, Margin: share(0), Scaling: scaling})
	if near.Fleet.Extrapolated || near.Fleet.Nodes <= 6 || near.Fleet.Nodes > 12 || len(near.Explain().Warnings) == 0 {
		t.Errorf("up to twice: %+v, %v", near.Fleet, near.Explain().Warnings)
	}
	if !far.Fleet.Extrapolated || far.Fleet.Nodes <= 12 || len(far.Explain().Warnings) == 0 {
		t.Errorf("beyond twice: %+v, %v", far.Fleet, far.Explain().Warnings)
	}
}

// One machine is not redundant. If the inputs ask for availability, a larger machine is not enough.
func TestHighAvailabilityNeedsASecondMachine(t *testing.T) {
	for _, in := range []Inputs{
		{CurrentRPS: 500, PeakRPS: 2000, Stateless: true, HA: true},
		{CurrentRPS: 500, PeakRPS: 2000, Stateless: true, Availability: 0.999},
	} {
		if p := mustDecide(t, in); p.Strategy.Kind != ScaleOut {
			t.Errorf("%+v: %s", in, p.Strategy.Kind)
		}
	}
	if p := mustDecide(t, Inputs{CurrentRPS: 500, PeakRPS: 2000, HA: true}); p.Strategy.Kind != RefactorFirst {
		t.Errorf("stateful: %s", p.Strategy.Kind)
	}
	if p := mustDecide(t, Inputs{CurrentRPS: 500, PeakRPS: 2000}); p.Strategy.Kind != ScaleUp {
		t.Errorf("stateful and not redundant: %s", p.Strategy.Kind)
	}
}

// If no number of nodes reaches the peak, scaling out does not help.
func TestUnreachablePeakNeedsARefactoring(t *testing.T) {
	p := mustDecide(t, Inputs{CurrentRPS: 900, PeakRPS: 50_000, Stateless: true, Scaling: cisco})
	if p.Strategy.Kind != RefactorFirst || p.Fleet.Reachable {
		t.Errorf("%s, %+v", p.Strategy.Kind, p.Fleet)
	}
}

// Close to the peak of the curve, running spares would slow the fleet down.
func TestSparesBeyondThePeakStayStopped(t *testing.T) {
	law := queueing.USL{Alpha: 0.1, Beta: 0.01, Gamma: 1000} // its peak is X(9) = 3,571
	var scaling Points
	for n := 1; n <= 8; n++ {
		scaling = append(scaling, queueing.Point{Nodes: n, Rate: law.Throughput(float64(n))})
	}
	p := mustDecide(t, Inputs{PeakRPS: 3560, Margin: share(0), Scaling: scaling, Availability: 0.99999})
	if p.Fleet.Carrying != 9 || p.Fleet.CapacityRPS >= p.Fleet.RequiredRPS {
		t.Fatalf("got %+v", p.Fleet)
	}
	wantNote(t, p.Explain().Warnings, "keep the spares stopped")
}

func TestSharedCoresAreWarnedAbout(t *testing.T) {
	m := &curve.Document{SharedCores: true}
	for _, p := range cisco[:6] {
		m.Scaling = append(m.Scaling, curve.Size{Nodes: p.Nodes, Knee: &curve.Knee{Rate: p.Rate}})
	}
	p := mustDecide(t, Inputs{PeakRPS: 5000, Measured: m})
	wantNote(t, p.Explain().Warnings, "shared the cores of one machine")
}

func TestCostHasADate(t *testing.T) {
	p := mustDecide(t, Inputs{PeakRPS: 100_000, NodeRPS: 1_800, Margin: share(0.5), Efficiency: share(0.85), HA: true, Instance: "t3.medium"})
	near(t, "cost", p.Cost.PerHour, 4.16, 4)
	if p.Cost.AsOf == "" || p.Cost.Source == "" {
		t.Errorf("no date or source: %+v", p.Cost)
	}
	if b := mustDecide(t, Inputs{PeakRPS: 1000, NodeRPS: 100}); b.Cost != nil {
		t.Errorf("the plan has a cost, which was not asked: %+v", b.Cost)
	}
	up := mustDecide(t, Inputs{CurrentRPS: 500, PeakRPS: 2000, Instance: "t3.medium"})
	if up.Cost.Machines != 1 || up.Cost.Type != up.Strategy.ScaleUpTo {
		t.Errorf("the cost of scaling up must be that of the larger machine: %+v", up.Cost)
	}
}

func TestConnectionsAgainstMaxConnections(t *testing.T) {
	in := Inputs{PeakRPS: 900, NodeRPS: 100, Margin: share(0), Pool: 20, MaxConnections: 200}
	c := mustDecide(t, in).Database.Connections // 9 nodes, 10 during a deploy; 180 of 200 may be used
	if c.Total != 200 || c.Fits || c.LargestPool != 18 {
		t.Errorf("got %+v", c)
	}
	in.Pool = 18
	if c := mustDecide(t, in).Database.Connections; !c.Fits {
		t.Errorf("got %+v", c)
	}
}

func TestGrowthAppliesToTheGivenRate(t *testing.T) {
	for name, c := range map[string]struct {
		in   Inputs
		want float64
	}{
		"the peak":                  {Inputs{PeakRPS: 1000, NodeRPS: 100, Growth: share(0.1), Months: 6}, 1771.561},
		"the current rate":          {Inputs{CurrentRPS: 1000, NodeRPS: 100, Growth: share(0.1), Months: 6}, 1771.561},
		"users, not a given peak":   {Inputs{PeakRPS: 1000, NodeRPS: 100, Users: 10_000, Growth: share(0.1), Months: 6}, 1000},
		"users, without a peak":     {Inputs{NodeRPS: 100, Users: 10_000, Growth: share(0.1), Months: 6}, 1771561.0 / 86400 * 3},
		"users that do not grow":    {Inputs{NodeRPS: 100, Users: 86_400, RequestsPerUser: 1, PeakFactor: 2}, 2},
		"a rate that does not grow": {Inputs{PeakRPS: 1000, NodeRPS: 100, Growth: share(0), Months: 6}, 1000},
	} {
		near(t, name, mustDecide(t, c.in).Fleet.PeakRPS, c.want, 8)
	}
}
