package plan

import (
	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/report"
)

// Inputs are what is known about a service. A zero field is not known, and the plan has no part that needs it.
type Inputs struct {
	CurrentRPS Rate            `json:"current_rps,omitempty"` // what the service carries today
	PeakRPS    Rate            `json:"peak_rps,omitempty"`    // what it has to carry
	NodeRPS    Rate            `json:"node_rps,omitempty"`    // what one node carries
	Scaling    Points          `json:"scaling,omitempty"`     // measured fleet sizes; excludes NodeRPS
	Measured   *curve.Document `json:"-"`                     // result of a load test; excludes Scaling and NodeRPS
	Margin     *Share          `json:"margin,omitempty"`      // added to the peak; nil: from queueing theory
	Efficiency *Share          `json:"efficiency,omitempty"`  // what a node in a fleet carries, as a share of NodeRPS; default 1
	Cores      int             `json:"cores,omitempty"`       // of one node; default: those of the instance, or 2
	Burstiness float64         `json:"burstiness,omitempty"`  // see queueing.Queue; default 1
	HA         bool            `json:"ha,omitempty"`          // at least one spare node

	Stateless bool   `json:"stateless,omitempty"` // any node can answer any request
	Instance  string `json:"instance,omitempty"`  // type of machine of a node, as in Prices; default t3.medium
	Prices    Prices `json:"-"`                   // default ShippedPrices

	ReadRatio       *Share  `json:"read_ratio,omitempty"`       // share of the database calls that only read
	DataSize        Bytes   `json:"data_size,omitempty"`        //
	WriteRate       Rate    `json:"write_rate,omitempty"`       // database writes per second
	Domains         Domains `json:"domains,omitempty"`          // parts of the data that could have separate databases
	ClearBoundaries bool    `json:"clear_boundaries,omitempty"` // no transaction and no join crosses domains
	Pool            int     `json:"pool,omitempty"`             // database connections that each node may open
	MaxConnections  int     `json:"max_connections,omitempty"`  // connections that one database server accepts

	Users           int     `json:"users,omitempty"`
	Growth          *Share  `json:"growth,omitempty"`            // per month: of the users, else the peak, else the current rate
	Months          int     `json:"months,omitempty"`            //
	RequestsPerUser float64 `json:"requests_per_user,omitempty"` // per day; default 100
	PeakFactor      float64 `json:"peak_factor,omitempty"`       // rate of the busiest minute over the mean of the day; default 3

	Availability     AvailabilityShare `json:"availability,omitempty"`      // the target
	NodeAvailability AvailabilityShare `json:"node_availability,omitempty"` // of one node; default 99 %
	CommonCause      Share             `json:"common_cause,omitempty"`      // share of the failures that affect all nodes together
	Depends          Dependencies      `json:"depends,omitempty"`           // what the service cannot work without
}

// problems returns all contradictions of the inputs. Single values were checked when they were read.
func (in Inputs) problems() (problems []Sentence) {
	check := func(wrong bool, format string, args ...any) {
		if wrong {
			problems = append(problems, newSentence(format, args...))
		}
	}
	if in.Measured != nil {
		if err := checkMeasured(in.Measured); err != nil {
			check(true, "%v", err)
		}
	}
	check(in.capacitySources() > 1, "several inputs say what a node carries: want one of %s, %s and a load document",
		FieldNodeRPS, FieldScaling)
	check(in.PeakRPS > 0 && in.PeakRPS < in.CurrentRPS, "%s %s is below %s %s",
		FieldPeakRPS, in.rate(float64(in.PeakRPS)), FieldCurrentRPS, in.rate(float64(in.CurrentRPS)))
	check(in.Efficiency != nil && !(*in.Efficiency > 0 && *in.Efficiency <= 1), "%s: want above 0, up to 1",
		FieldEfficiency)
	check(in.Efficiency != nil && in.hasCurve(), "%s and a measured curve: the curve already contains the "+
		"efficiency of each size", FieldEfficiency)
	check(in.ReadRatio != nil && *in.ReadRatio > 1, "%s: want at most 100%%", FieldReadRatio)
	check(in.ReadRatio != nil && *in.ReadRatio == 1 && in.WriteRate > 0, "%s 100%% and %s contradict each other",
		FieldReadRatio, FieldWriteRate)
	check(in.CommonCause > 1, "%s: want at most 100%%", FieldCommonCause)
	check(in.Growth != nil && in.Months == 0, "%s needs %s", FieldGrowth, FieldMonths)
	check(in.Growth == nil && in.Months != 0, "%s needs %s", FieldMonths, FieldGrowth)
	check(in.Growth != nil && in.Users == 0 && in.PeakRPS == 0 && in.CurrentRPS == 0,
		"%s needs a number that grows: %s, %s or %s", FieldGrowth, FieldUsers, FieldPeakRPS, FieldCurrentRPS)
	check(in.DataSize > 0 && in.Domains.bytes() > float64(in.DataSize)*(1+1e-9),
		"the domains have %s together, more than %s %s", Bytes(in.Domains.bytes()), FieldDataSize, in.DataSize)
	check(in.ClearBoundaries && len(in.Domains) < 2, "%s needs 2 or more %s", FieldClearBoundaries, FieldDomains)
	for _, n := range []struct {
		field          Field
		value, largest int
	}{
		{FieldCores, in.Cores, 100_000}, {FieldPool, in.Pool, 1_000_000},
		{FieldMaxConnections, in.MaxConnections, 10_000_000},
		{FieldUsers, in.Users, 2_000_000_000}, {FieldMonths, in.Months, 600},
	} {
		check(n.value < 0 || n.value > n.largest, "%s %s: want a number from 1 to %s",
			n.field, report.Number(float64(n.value)), report.Number(float64(n.largest)))
	}
	for _, n := range []struct {
		field Field
		value float64
	}{
		{FieldBurstiness, in.Burstiness}, {FieldRequestsPerUser, in.RequestsPerUser}, {FieldPeakFactor, in.PeakFactor},
	} {
		check(!(n.value >= 0 && n.value <= 1e6), "%s %s: want a number above 0, up to 1,000,000", n.field,
			report.Number(n.value))
	}
	return problems
}

// capacitySources counts the inputs that say what nodes carry.
func (in Inputs) capacitySources() (n int) {
	for _, given := range []bool{in.NodeRPS > 0, len(in.Scaling) > 0, in.Measured != nil} {
		if given {
			n++
		}
	}
	return n
}

// hasCurve reports whether the inputs have rates of several fleet sizes.
func (in Inputs) hasCurve() bool {
	return len(in.Scaling) > 0 || in.Measured != nil && len(in.Measured.Scaling) > 0
}

// measuredNodes returns the number of nodes that the knee of the load document is of, or 0 without such a knee.
func (in Inputs) measuredNodes() int {
	if in.Measured == nil || in.hasCurve() || in.Measured.Knee == nil {
		return 0
	}
	return max(1, in.Measured.TargetNodes)
}

// countsVisits reports whether all rates are visits per second, as in the load document.
func (in Inputs) countsVisits() bool { return in.Measured != nil && in.Measured.Unit == curve.Visits }

// rate writes a rate with its unit.
func (in Inputs) rate(v float64) string { return report.Number(v) + " " + in.unit() }

// unit returns the unit of all rates.
func (in Inputs) unit() string {
	if in.countsVisits() {
		return string(curve.Visits)
	}
	return "rps"
}

// defaultInstance is the type of machine if the inputs do not name one.
const defaultInstance = "t3.medium"

// instance returns the machine of a node, and whether it is a default. It fails if the type is not in the price file.
func (in Inputs) instance() (one Instance, assumed bool, err error) {
	prices := in.prices()
	if in.Instance != "" {
		one, ok := prices.Find(in.Instance)
		if !ok {
			return one, false, &InputError{
				[]Sentence{newSentence("instance type %q is not in the price file", in.Instance)},
				newSentence("some of its types: %s; set other prices with %s", prices.examples(),
					setting{FieldPrices, "FILE"}),
			}
		}
		return one, false, nil
	}
	one, ok := prices.Find(defaultInstance)
	if !ok {
		one = prices.smallest()
	}
	return one, true, nil
}

func (in Inputs) prices() Prices {
	if in.Prices != nil {
		return in.Prices
	}
	return ShippedPrices()
}

// defaultCores is the number of cores of a small node.
const defaultCores = 2

// cores returns the number of cores of a node, which only queueing theory needs, and whether it is the default.
func (in Inputs) cores() (n int, assumed bool) {
	if in.Cores > 0 {
		return in.Cores, false
	}
	if one, ok := in.prices().Find(in.Instance); ok {
		return one.VCPU, false
	}
	return defaultCores, true
}
