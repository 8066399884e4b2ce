// Package plan says what to scale: how many nodes carry a peak, whether a larger machine, a refactoring or more nodes is the
// way, what the database needs, what availability follows and what it costs.
//
// A Question goes in, an Answer comes out; both are values, and nothing here reads a clock or opens a file. Every answer
// comes with its reasons, what was assumed, what would change it, and what is not known. The sums can be used alone: USL and
// FitUSL (scalability), Queue (headroom), KofN and Spares (availability).
package plan

import (
	"fmt"
	"strings"

	"github.com/tenfold-go/tenfold/internal/report"
)

// Question is what is known and what is asked. A zero field was not given, and what needs it is not answered.
type Question struct {
	CurrentRPS Rate      `json:"current_rps,omitempty"` // what one node or the fleet carries today
	PeakRPS    Rate      `json:"peak_rps,omitempty"`    // what has to be carried
	NodeRPS    Rate      `json:"node_rps,omitempty"`    // what one node carries, from a measurement
	Scaling    Points    `json:"scaling,omitempty"`     // measured fleets; excludes NodeRPS
	Measured   *Measured `json:"measured,omitempty"`    // a load document; excludes Scaling and NodeRPS
	Margin     *Share    `json:"margin,omitempty"`      // on top of the peak; nil: from queueing theory, see Queue.Headroom
	Efficiency *Share    `json:"efficiency,omitempty"`  // what is left of a node's capacity in a fleet; default 1
	Cores      int       `json:"cores,omitempty"`       // vCPUs of a node; default: the instance's
	Burstiness float64   `json:"burstiness,omitempty"`  // see Queue; default 1
	HA         bool      `json:"ha,omitempty"`          // at least one spare node

	Stateless bool   `json:"stateless,omitempty"` // any node can answer any request
	Instance  string `json:"instance,omitempty"`  // type of a node, as in Prices; default t3.medium
	Prices    Prices `json:"-"`                   // default ShippedPrices

	ReadRatio       *Share  `json:"read_ratio,omitempty"`       // share of the database's calls that only read
	DataSize        Bytes   `json:"data_size,omitempty"`        //
	WriteRate       Rate    `json:"write_rate,omitempty"`       // database writes per second
	Domains         Domains `json:"domains,omitempty"`          // parts of the data that could live apart
	ClearBoundaries bool    `json:"clear_boundaries,omitempty"` // no transaction and no join crosses domains
	Pool            int     `json:"pool,omitempty"`             // database connections that each node may open
	MaxConnections  int     `json:"max_connections,omitempty"`  // that one database server accepts

	Users           int     `json:"users,omitempty"`
	Growth          *Share  `json:"growth,omitempty"`            // a month: of the users, else the peak, else today's rate
	Months          int     `json:"months,omitempty"`            //
	RequestsPerUser float64 `json:"requests_per_user,omitempty"` // per day; default 100
	PeakFactor      float64 `json:"peak_factor,omitempty"`       // the busiest minute over the day's mean; default 3

	Availability     Availability `json:"availability,omitempty"`      // the target
	NodeAvailability Availability `json:"node_availability,omitempty"` // of one node; default 99 %
	CommonCause      Share        `json:"common_cause,omitempty"`      // share of a node's failures that take all nodes down
	Depends          Dependencies `json:"depends,omitempty"`           // what the service cannot work without
}

// InputError is a question that contradicts itself or cannot be. All of its problems are in Error.
type InputError struct {
	Problems []string
	hint     string
}

func (e *InputError) Error() string { return strings.Join(e.Problems, "; ") }

// Hint is what to do next; it may be empty.
func (e *InputError) Hint() string { return e.hint }

// Answer plans. Its errors are *InputError.
func (q Question) Answer() (*Answer, error) {
	if problems := q.problems(); len(problems) > 0 {
		return nil, &InputError{Problems: problems}
	}
	a := &Answer{Inputs: q}
	if q.Measured != nil {
		a.Inputs.Measured = q.Measured.summary()
	}
	peak := q.forecast(a)
	supply, err := q.supply(a)
	if err != nil {
		return nil, err
	}
	a.supply = supply
	q.fleet(a, peak, supply)
	if err := q.direction(a, peak, supply); err != nil {
		return nil, err
	}
	q.database(a)
	q.uptime(a)
	if err := q.cost(a); err != nil {
		return nil, err
	}
	if !a.answersAnything() {
		return nil, &InputError{
			Problems: append([]string{"nothing can be planned from this"}, texts(a.Unknown)...),
			hint:     "tenfold plan --peak-rps 50000 --node-rps 2000; tenfold plan --help shows what else can be asked",
		}
	}
	return a, nil
}

// unit is what the question's rates count, per second: visits where the load document counts them.
func (q Question) unit() string {
	if q.Measured != nil && q.Measured.Unit == visitsUnit {
		return visitsUnit
	}
	return "rps"
}

// rate writes a rate with its unit.
func (q Question) rate(v float64) string { return report.Number(v) + " " + q.unit() }

// problems are all contradictions of a question. Single values were checked when they were read.
func (q Question) problems() (problems []string) {
	problem := func(wrong bool, format string, args ...any) {
		if wrong {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	sources := 0
	for _, given := range []bool{q.NodeRPS > 0, len(q.Scaling) > 0, q.Measured != nil} {
		if given {
			sources++
		}
	}
	problem(sources > 1, "what the nodes carry is given more than once: want one of --node-rps, --scaling and a load document")
	problem(q.PeakRPS > 0 && q.PeakRPS < q.CurrentRPS,
		"rates upside down: the peak of %s is below today's %s", q.rate(float64(q.PeakRPS)), q.rate(float64(q.CurrentRPS)))
	problem(q.Efficiency != nil && (*q.Efficiency <= 0 || *q.Efficiency > 1), "an efficiency is more than 0 and at most 1")
	problem(q.Efficiency != nil && (len(q.Scaling) > 0 || q.Measured != nil && len(q.Measured.Scaling) > 0),
		"--efficiency has no place beside a measured curve, which shows it at every size")
	problem(q.ReadRatio != nil && *q.ReadRatio > 1, "a read ratio over 100%% cannot be")
	problem(q.ReadRatio != nil && *q.ReadRatio == 1 && q.WriteRate > 0, "a read ratio of 100%% leaves no room for --write-rate")
	problem(q.CommonCause > 1, "a common cause of more than all failures cannot be")
	problem(q.Growth != nil && q.Months == 0, "--growth needs --months")
	problem(q.Growth == nil && q.Months != 0, "--months needs --growth")
	problem(q.Growth != nil && q.Users == 0 && q.PeakRPS == 0 && q.CurrentRPS == 0,
		"--growth has nothing to grow: want --users, --peak-rps or --current-rps")
	problem(q.DataSize > 0 && q.Domains.bytes() > float64(q.DataSize)*(1+1e-9),
		"the domains add up to %s, more than the --data-size of %s", Bytes(q.Domains.bytes()), q.DataSize)
	problem(q.ClearBoundaries && len(q.Domains) < 2, "--clear-boundaries needs --domains of 2 or more")
	for _, n := range []struct {
		flag           string
		value, largest int
	}{
		{"--cores", q.Cores, 100_000}, {"--pool", q.Pool, 1_000_000}, {"--max-connections", q.MaxConnections, 10_000_000},
		{"--users", q.Users, 2_000_000_000}, {"--months", q.Months, 600},
	} {
		problem(n.value < 0 || n.value > n.largest, "%s %s: want a number from 1 to %s", n.flag, report.Number(float64(n.value)), report.Number(float64(n.largest)))
	}
	for _, n := range []struct {
		flag  string
		value float64
	}{
		{"--burstiness", q.Burstiness}, {"--requests-per-user", q.RequestsPerUser}, {"--peak-factor", q.PeakFactor},
	} {
		problem(!(n.value >= 0 && n.value <= 1e6), "%s %s: want a number above 0, up to 1,000,000", n.flag, report.Number(n.value))
	}
	return problems
}

func inputError(hint, format string, args ...any) error {
	return &InputError{Problems: []string{fmt.Sprintf(format, args...)}, hint: hint}
}
