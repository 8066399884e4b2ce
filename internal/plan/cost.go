package plan

// Cost is what the plan costs by list price. It always carries the date of the price.
type Cost struct {
	PerHour  float64 `json:"cost_per_hour"`     // US dollars
	PerMonth float64 `json:"cost_per_month"`    // 730 hours
	Type     string  `json:"cost_instance"`     // of each node
	Machines int     `json:"cost_machines"`     //
	Each     float64 `json:"cost_usd_per_hour"` // of one node
	AsOf     string  `json:"prices_as_of"`
	Source   string  `json:"prices_source,omitempty"`

	instance        Instance
	assumedInstance bool  // the instance is the default, and the plan has no strategy that says so
	scalingOut      *Cost // SCALE_UP or NONE: what the fleet of today's machines costs instead; nil: not known
}

const hoursPerMonth = 730

// estimateCost returns the cost, or nil if the inputs name neither an instance nor prices, or if the plan has no
// machines. It fails if the instance type is not in the price file.
func estimateCost(in Inputs, fleet *Fleet, s *Strategy) (*Cost, error) {
	oneMachine := s != nil && (s.Kind == ScaleUp || s.Kind == NoChange)
	hasFleet := fleet != nil && fleet.Reachable
	if !in.asksForCost() || !oneMachine && !hasFleet {
		return nil, nil
	}
	var one Instance
	var assumed bool
	if s != nil {
		one = s.from
	} else {
		var err error
		if one, assumed, err = in.instance(); err != nil {
			return nil, err
		}
	}
	var c *Cost
	if hasFleet {
		c = newCost(one, fleet.Nodes)
	}
	if oneMachine {
		larger := newCost(s.to, 1)
		larger.scalingOut = c
		c = larger
	}
	c.assumedInstance = assumed
	return c, nil
}

func (in Inputs) asksForCost() bool { return in.Instance != "" || in.Prices != nil }

func newCost(one Instance, nodes int) *Cost {
	perHour := one.USDHour * float64(nodes)
	return &Cost{
		PerHour: perHour, PerMonth: perHour * hoursPerMonth, Type: one.Type, Machines: nodes, Each: one.USDHour,
		AsOf: one.AsOf, Source: one.Source, instance: one,
	}
}
