package plan

import (
	"fmt"
	"strings"

	"github.com/tenfold-go/tenfold/internal/report"
)

// Uptime is the share of time that the planned service is there.
type Uptime struct {
	Availability  float64 `json:"availability"`                  // of the plan; of the target when there is nothing else
	Target        float64 `json:"availability_target,omitempty"` //
	Met           *bool   `json:"availability_met,omitempty"`    // whether the plan reaches the target
	DowntimeYear  float64 `json:"downtime_per_year_s"`           // 365 days
	DowntimeMonth float64 `json:"downtime_per_month_s"`          // 30 days
	DowntimeWeek  float64 `json:"downtime_per_week_s"`
	Architecture  string  `json:"architecture,omitempty"` // what the target, or else the availability, takes
}

// defaultNodeAvailability is assumed of a node when nothing is said: a bad deploy and a dead machine a year.
const defaultNodeAvailability = 0.99

// Dependency is something that the service cannot work without.
type Dependency struct {
	Name         string  `json:"name"`
	Availability float64 `json:"availability"`
}

// Dependencies are written on a command line as "lb=99.99%,db=99.95%".
type Dependencies []Dependency

// UnmarshalText reads "lb=99.99%,db=99.95%".
func (d *Dependencies) UnmarshalText(text []byte) error {
	var all Dependencies
	for pair := range strings.SplitSeq(string(text), ",") {
		name, share, ok := strings.Cut(pair, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return fmt.Errorf("%q is not a dependency: want NAME=AVAILABILITY, for example db=99.95%%", pair)
		}
		var a Availability
		if err := a.UnmarshalText([]byte(strings.TrimSpace(share))); err != nil {
			return fmt.Errorf("dependency %q: %w", name, err)
		}
		all = append(all, Dependency{name, float64(a)})
	}
	*d = all
	return nil
}

func (d Dependencies) availability() float64 {
	a := 1.0
	for _, one := range d {
		a *= one.Availability
	}
	return a
}

func (d Dependencies) String() string {
	var parts []string
	for _, one := range d {
		parts = append(parts, fmt.Sprintf("%s %s", one.Name, nines(one.Availability)))
	}
	return strings.Join(parts, " × ")
}

func (q Question) nodeAvailability() float64 {
	if q.NodeAvailability > 0 {
		return float64(q.NodeAvailability)
	}
	return defaultNodeAvailability
}

// fleetTarget is what the nodes alone have to reach for the service to reach its target.
func (q Question) fleetTarget() float64 { return float64(q.Availability) / q.Depends.availability() }

// sparesFor is how many spare nodes k nodes need: none when nobody asked, one at least for HA, and as many as the target
// takes: "+1" is the floor and not the answer, since 8 of 9 nodes at 99 % are only 99.66 %.
func (q Question) sparesFor(k int) int {
	spares, _ := q.solveSpares(k)
	return spares
}

func (q Question) solveSpares(k int) (spares int, ok bool) {
	switch {
	case q.Availability > 0:
		return Spares(k, q.nodeAvailability(), float64(q.CommonCause), q.fleetTarget())
	case q.HA:
		return 1, true
	}
	return 0, true
}

func (q Question) explainSpares(a *Answer, k int) {
	spares, ok := q.solveSpares(k)
	switch {
	case q.Availability == 0 && q.HA:
		a.because(aboutNodes, "1 spare, so that the peak is still carried when one node is away (--ha)")
		a.change(aboutNodes, "a target (--availability 99.9%%): spares have to grow with the fleet, and one is the floor")
	case q.Availability == 0:
		a.change(aboutNodes, "high availability: --ha adds a spare, --availability 99.9%% as many as that takes")
	case ok:
		with, without := nines(q.redundant(k, k+spares)), nines(q.redundant(k, k+spares-1))
		if without == with {
			without = "just too little"
		}
		a.because(aboutNodes, "%s: with them, %d of %d nodes at %s each are there for %s of the time; with one fewer, for %s",
			report.Count(spares, "spare"), k, k+spares, nines(q.nodeAvailability()), with, without)
	}
}

func (q Question) redundant(k, n int) float64 {
	return Redundant(k, n, q.nodeAvailability(), float64(q.CommonCause))
}

// uptime answers what availability the plan has, or what the target allows.
func (q Question) uptime(a *Answer) {
	if q.Availability == 0 && q.NodeAvailability == 0 && len(q.Depends) == 0 {
		return
	}
	u := &Uptime{Target: float64(q.Availability)}
	a.Uptime = u
	switch {
	case a.Fleet != nil && a.Fleet.Reachable:
		q.uptimeOfFleet(a, u)
	case q.NodeAvailability > 0:
		u.Availability = q.nodeAvailability() * q.Depends.availability()
		a.because(aboutAvailability, "one node at %s%s", nines(q.nodeAvailability()), q.serial())
	case len(q.Depends) > 0:
		u.Availability = q.Depends.availability()
		a.because(aboutAvailability, "what the service depends on: %s; it cannot be better than that", q.Depends)
	default:
		u.Availability = u.Target
		a.unknown(aboutAvailability, "whether the plan reaches it: that takes a fleet (--peak-rps and --node-rps)")
	}
	if u.Target > 0 && u.Availability != u.Target {
		met := u.Availability >= u.Target
		u.Met = &met
		if !met {
			a.warn(aboutAvailability, "the target of %s is missed", nines(u.Target))
		}
	}
	d := DowntimeOf(u.Availability)
	u.DowntimeYear, u.DowntimeMonth, u.DowntimeWeek = d.Year, d.Month, d.Week
	a.because(aboutAvailability, "%s is a downtime of %s", nines(u.Availability), d)
	level := u.Target
	if level == 0 {
		level = u.Availability
	}
	u.Architecture = Architecture(level)
	a.because(aboutAvailability, "what %s takes: %s", nines(level), u.Architecture)
}

func (q Question) serial() string {
	if len(q.Depends) == 0 {
		return ""
	}
	return fmt.Sprintf(" × %s = %s", q.Depends, nines(q.nodeAvailability()*q.Depends.availability()))
}

func (q Question) uptimeOfFleet(a *Answer, u *Uptime) {
	f := a.Fleet
	fleet := q.redundant(f.Carrying, f.Nodes)
	u.Availability = fleet * q.Depends.availability()
	if q.NodeAvailability == 0 {
		a.assume(aboutAvailability, "a node is there for %s of the time (--node-availability)", nines(defaultNodeAvailability))
	}
	a.because(aboutAvailability, "at least %d of %d nodes at %s each: %s",
		f.Carrying, f.Nodes, nines(q.nodeAvailability()), nines(fleet))
	if len(q.Depends) > 0 {
		a.because(aboutAvailability, "times what it depends on, %s: %s", q.Depends, nines(u.Availability))
	} else {
		a.change(aboutAvailability, "what it depends on, and cannot be better than (--depends lb=99.99%%,db=99.95%%)")
	}
	if q.CommonCause > 0 {
		a.because(aboutAvailability, "of a node's failures %s take all nodes down at once", report.Percent(float64(q.CommonCause)))
	} else {
		common := Redundant(f.Carrying, f.Nodes, q.nodeAvailability(), 0.05) * q.Depends.availability()
		a.assume(aboutAvailability, "nodes fail one by one; if 5%% of their failures were common (rack, release, database) it "+
			"would be %s (--common-cause)", nines(common))
	}
	if _, ok := q.solveSpares(f.Carrying); !ok {
		a.warn(aboutAvailability, "no number of spares reaches %s: what all nodes share, or what the service depends on, takes "+
			"more", nines(u.Target))
		a.change(aboutAvailability, "nodes in several zones, deploys in steps, and better dependencies")
	}
}
