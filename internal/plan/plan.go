// Package plan decides what to scale. It answers how many nodes carry a peak, whether to use a larger machine, more
// machines or to refactor first, what the database needs, which availability follows and what it costs.
//
// [Decide] turns [Inputs] into a [Plan]. Both are values: nothing here reads a clock or opens a file. What the inputs
// do not ask stays nil in the plan. [Plan.Explain] gives the reasons, what was assumed, what would change the plan and
// what is not known. [Plan.WriteText], [Plan.WriteHTML] and [Plan.WriteJSON] show both. [Terms] are the words of the
// program around it, such as the names of its flags.
package plan

import (
	"fmt"
	"strings"

	"github.com/tenfold-go/tenfold/internal/queueing"
)

// Plan is the answer to Inputs. A part that was not asked, or that the inputs do not determine, is nil.
type Plan struct {
	Inputs       Inputs
	Forecast     *Forecast
	Fit          *queueing.Fit // of the measured fleet sizes
	Fleet        *Fleet
	Strategy     *Strategy
	Database     *Database
	Availability *Availability
	Cost         *Cost

	peak     float64   // rate to carry; 0: not known
	capacity *capacity // nil: not known
}

// Missed says which goals of the inputs the plan does not reach. It returns "" if the plan reaches all.
func (p *Plan) Missed() string {
	var missed []string
	switch f := p.Fleet; {
	case f == nil || f.Reachable:
	case f.Undetermined:
		missed = append(missed, fmt.Sprintf("no measured number of nodes reaches %s, and the %s curve says nothing about "+
			"more than %d nodes", p.Inputs.rate(f.RequiredRPS), f.capacity.shape(), f.capacity.measured()))
	default:
		missed = append(missed, "no number of nodes reaches "+p.Inputs.rate(f.RequiredRPS))
	}
	if a := p.Availability; a != nil && a.Met != nil && !*a.Met {
		missed = append(missed, fmt.Sprintf("the availability %s is below the target %s", nines(a.Availability),
			nines(a.Target)))
	}
	return strings.Join(missed, "; ")
}

// empty reports whether the inputs determine nothing.
func (p *Plan) empty() bool {
	return p.Forecast == nil && p.Fit == nil && p.Fleet == nil && p.Strategy == nil && p.Database == nil &&
		p.Availability == nil && p.Cost == nil
}
