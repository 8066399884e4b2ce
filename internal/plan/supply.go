package plan

// supply is what a fleet of n nodes carries, in requests per second, as far as it is known.
type supply struct {
	node     float64                  // requests per second of a lone node
	at       func(n float64) float64  // the best estimate
	interval func(n float64) Interval // around it
	rising   int                      // up to this many nodes another node helps
	measured int                      // the largest measured fleet; 0 when there is no curve
}

// supply finds what the question says of it: a fitted curve, or one node's capacity. nil is neither.
func (q Question) supply(a *Answer) (*supply, error) {
	points := []Point(q.Scaling)
	if m := q.Measured; m != nil {
		points = m.points()
		if n := m.invalid(); n > 0 {
			a.warn(aboutNodes, "%d of the %d load steps were invalid by the load generator's own checks", n, len(m.Steps))
		}
		if m.SharedCores {
			a.warn(aboutNodes, "the nodes of this curve shared the cores of one machine: it shows the machine's scheduler, "+
				"not how the service scales over machines")
		}
	}
	switch {
	case len(points) > 0:
		return q.fitted(a, points)
	case q.Measured != nil:
		return q.linear(a, *q.Measured.Knee), nil
	case q.NodeRPS > 0:
		return q.linear(a, Knee{Rate: float64(q.NodeRPS)}), nil
	}
	return nil, nil
}

// fitted is a supply from measured fleets.
func (q Question) fitted(a *Answer, points []Point) (*supply, error) {
	fit, err := FitUSL(points)
	if err != nil {
		return nil, inputError("tenfold load --nodes 1,2,3,4,6,8 measures a curve; --node-rps and --efficiency plan without one",
			"fit scalability law: %v", err)
	}
	a.Fit = fit
	explainFit(a, fit)
	rising := maxNodes
	if nodes, _ := fit.Peak(); nodes < maxNodes {
		rising = max(1, int(nodes))
	}
	return &supply{
		node:     fit.Gamma,
		at:       fit.Throughput,
		interval: fit.Predict,
		rising:   rising,
		measured: fit.Largest(),
	}, nil
}

// linear is a supply of nodes that each carry the same.
func (q Question) linear(a *Answer, k Knee) *supply {
	efficiency := 1.0
	if q.Efficiency != nil {
		efficiency = float64(*q.Efficiency)
	} else {
		a.assume(aboutNodes, "a node in a fleet carries as much as a lone one (--efficiency; better, a measured curve: --scaling)")
	}
	low, high := k.Low, k.High
	if low > 0 || high > 0 {
		a.because(aboutNodes, "the knee lies between %s and %s rps", number(max(low, 0)), number(max(high, k.Rate)))
	}
	if low == 0 {
		low = k.Rate
	}
	if high == 0 {
		high = k.Rate
	}
	return &supply{
		node:     k.Rate,
		at:       func(n float64) float64 { return n * k.Rate * efficiency },
		interval: func(n float64) Interval { return Interval{n * low * efficiency, n * high * efficiency} },
		rising:   maxNodes,
	}
}

// reaches says whether x is at least need, the rounding of floating point forgiven: 1000·1.1 is 10·110.
func reaches(x, need float64) bool { return x >= need*(1-1e-9) }
