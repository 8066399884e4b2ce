package plan

import "github.com/tenfold-go/tenfold/internal/report"

// Cost is what the plan costs by list price. It is never shown without the date of the price.
type Cost struct {
	PerHour  float64 `json:"cost_per_hour"`     // US dollars
	PerMonth float64 `json:"cost_per_month"`    // 730 hours
	Type     string  `json:"cost_instance"`     // of each node
	Machines int     `json:"cost_machines"`     //
	Each     float64 `json:"cost_usd_per_hour"` // of one node
	AsOf     string  `json:"prices_as_of"`
	Source   string  `json:"prices_source,omitempty"`
}

const hoursPerMonth = 730

// cost is asked by naming an instance or bringing prices.
func (q Question) cost(a *Answer) error {
	if q.Instance == "" && q.Prices == nil {
		return nil
	}
	up := a.Direction != nil && (a.Strategy == ScaleUp || a.Strategy == Stay)
	fleet := a.Fleet != nil && a.Fleet.Reachable
	if !up && !fleet {
		a.unknown(aboutCost, "what it costs: that takes a number of nodes")
		return nil
	}
	var one Instance
	if a.Direction != nil {
		one = a.from
	} else {
		var err error
		if one, err = q.instance(a, aboutCost); err != nil {
			return err
		}
	}
	var out *Cost
	if fleet {
		out = newCost(one, a.Fleet.Nodes)
	}
	a.Cost = out
	if up {
		a.Cost = newCost(a.to, 1)
	}
	c := a.Cost
	a.because(aboutCost, "%s × %s at $%g an hour", report.Number(float64(c.Machines)), c.Type, c.Each)
	if up && fleet {
		a.because(aboutCost, "scaling out to %s × %s would be $%s an hour",
			report.Number(float64(out.Machines)), out.Type, report.Number(out.PerHour))
	}
	a.because(aboutCost, "prices of %s, %s", c.AsOf, source(c.Source))
	if q.Prices == nil {
		a.warn(aboutCost, "these are approximate list prices that came with tenfold: check them before you buy (--prices FILE "+
			"brings your own); network, storage and the database are not in them")
	}
	return nil
}

func newCost(one Instance, nodes int) *Cost {
	perHour := one.USDHour * float64(nodes)
	return &Cost{perHour, perHour * hoursPerMonth, one.Type, nodes, one.USDHour, one.AsOf, one.Source}
}

func source(text string) string {
	if text == "" {
		return "from a file that does not name its source"
	}
	return text
}
