package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/queueing"
	"github.com/tenfold-go/tenfold/internal/report"
)

// availability explains the availability.
func (e *Explanation) availability(p *Plan) {
	a, in := p.Availability, p.Inputs
	if a == nil {
		return
	}
	switch a.basis {
	case basisFleet:
		e.fleetAvailability(a, in)
	case basisNode:
		serial := ""
		if len(in.Depends) > 0 {
			serial = fmt.Sprintf(" × %s = %s", product(in.Depends), nines(a.Availability))
		}
		e.because(TopicAvailability, "one node at %s%s", nines(in.nodeAvailability()), serial)
	case basisDependencies:
		e.because(TopicAvailability, "the dependencies of the service, %s: its own availability cannot be higher",
			product(in.Depends))
	case basisTarget:
		e.unknown(TopicAvailability, "whether the plan reaches it: needs a fleet (%s and %s)", FieldPeakRPS,
			FieldNodeRPS)
	}
	if a.Met != nil && !*a.Met {
		e.warn(TopicAvailability, "the plan does not reach the target of %s", nines(a.Target))
	}
	e.because(TopicAvailability, "%s is a downtime of %s a year (365 days), %s a month (30 days), %s a week",
		nines(a.Availability), seconds(a.DowntimeYear), seconds(a.DowntimeMonth), seconds(a.DowntimeWeek))
	e.because(TopicAvailability, "%s needs: %s", nines(a.level), a.Architecture)
}

// fleetAvailability explains the availability of several nodes.
func (e *Explanation) fleetAvailability(a *Availability, in Inputs) {
	if in.NodeAvailability == 0 {
		e.assume(TopicAvailability, "a node is available for %s of the time (%s)", nines(defaultNodeAvailability),
			FieldNodeAvailability)
	}
	e.because(TopicAvailability, "at least %d of %d nodes at %s each: %s", a.carry, a.nodes,
		nines(in.nodeAvailability()), nines(a.fleet))
	if len(in.Depends) > 0 {
		e.because(TopicAvailability, "times the dependencies, %s: %s", product(in.Depends), nines(a.Availability))
	} else {
		e.change(TopicAvailability, "dependencies: the service cannot be more available than they are (%s)",
			setting{FieldDepends, "lb=99.99%,db=99.95%"})
	}
	if in.CommonCause > 0 {
		e.because(TopicAvailability, "%s of the failures of a node affect all nodes together",
			report.Percent(float64(in.CommonCause)))
	} else {
		common := queueing.Redundant(a.carry, a.nodes, in.nodeAvailability(), 0.05) * in.Depends.availability()
		e.assume(TopicAvailability, "nodes fail independently; if 5%% of their failures had a common cause (rack, "+
			"release, database), the availability would be %s (%s)", nines(common), FieldCommonCause)
	}
	if !a.reaches {
		e.warn(TopicAvailability, "no number of spares reaches %s: what all nodes share, or the dependencies, cost "+
			"more", nines(a.Target))
		e.change(TopicAvailability, "nodes in several zones, deploys in steps, and better dependencies")
	}
}

// product writes the dependencies as factors.
func product(d Dependencies) string {
	var parts []string
	for _, one := range d {
		parts = append(parts, fmt.Sprintf("%s %s", one.Name, nines(one.Availability)))
	}
	return strings.Join(parts, " × ")
}

// seconds writes a number of seconds as a duration.
func seconds(s float64) string { return report.Duration(time.Duration(s * float64(time.Second))) }
