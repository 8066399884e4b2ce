package plan

import "github.com/tenfold-go/tenfold/internal/queueing"

// Availability is the share of time for which the planned service is available.
type Availability struct {
	Availability  float64 `json:"availability"`                  // of the plan; the target if the plan determines nothing
	Target        float64 `json:"availability_target,omitempty"` //
	Met           *bool   `json:"availability_met,omitempty"`    // whether the plan reaches the target
	DowntimeYear  float64 `json:"downtime_per_year_s"`           // 365 days
	DowntimeMonth float64 `json:"downtime_per_month_s"`          // 30 days
	DowntimeWeek  float64 `json:"downtime_per_week_s"`
	Architecture  string  `json:"architecture,omitempty"` // what the target, or else the availability, needs

	basis   availabilityBasis
	carry   int     // basisFleet: nodes that must work
	nodes   int     // basisFleet: all nodes
	fleet   float64 // basisFleet: availability of the fleet alone
	level   float64 // what Architecture is for
	reaches bool    // basisFleet: some number of spares reaches the target
}

// availabilityBasis is what an availability follows from.
type availabilityBasis int

const (
	basisTarget       availabilityBasis = iota // nothing: it is the target
	basisFleet                                 // the nodes and the dependencies
	basisNode                                  // one node and the dependencies
	basisDependencies                          // the dependencies alone
)

// predictAvailability returns the availability of the plan, or nil if the inputs do not ask for it.
func predictAvailability(in Inputs, fleet *Fleet) *Availability {
	if in.Availability == 0 && in.NodeAvailability == 0 && len(in.Depends) == 0 {
		return nil
	}
	a := &Availability{Target: float64(in.Availability)}
	switch {
	case fleet != nil && fleet.Reachable:
		a.basis, a.carry, a.nodes = basisFleet, fleet.Carrying, fleet.Nodes
		a.fleet = in.redundant(a.carry, a.nodes)
		a.Availability = a.fleet * in.Depends.availability()
		_, a.reaches = in.spares(a.carry)
	case in.NodeAvailability > 0:
		a.basis, a.Availability = basisNode, in.nodeAvailability()*in.Depends.availability()
	case len(in.Depends) > 0:
		a.basis, a.Availability = basisDependencies, in.Depends.availability()
	default:
		a.Availability = a.Target
	}
	if a.Target > 0 && a.Availability != a.Target {
		met := a.Availability >= a.Target
		a.Met = &met
	}
	a.DowntimeYear = queueing.Downtime(a.Availability, queueing.Year).Seconds()
	a.DowntimeMonth = queueing.Downtime(a.Availability, queueing.Month).Seconds()
	a.DowntimeWeek = queueing.Downtime(a.Availability, queueing.Week).Seconds()
	if a.level = a.Target; a.level == 0 {
		a.level = a.Availability
	}
	a.Architecture = Architecture(a.level)
	return a
}

// architectures lists what an availability needs, from the lowest to the highest.
var architectures = []struct {
	from float64
	text string
}{
	{0, "one node that restarts after it ends, and backups that were restored at least once"},
	{0.995, "at least one spare node, health checks, rolling deploys, a database that fails over within minutes"},
	{0.9995, "recovery without people: two load balancers, nodes in two zones, automatic database failover, deploys " +
		"that drain"},
	{0.99995, "two active regions, and each dependency above the target: availabilities multiply"},
}

// Architecture says what an availability needs.
func Architecture(availability float64) string {
	text := ""
	for _, a := range architectures {
		if availability >= a.from {
			text = a.text
		}
	}
	return text
}
