package plan

import (
	"math"

	"github.com/tenfold-go/tenfold/internal/report"
)

// The directions in which a service can grow.
const (
	ScaleUp       = "SCALE_UP"       // a larger machine
	RefactorFirst = "REFACTOR_FIRST" // take away what keeps it on one machine, then scale out
	ScaleOut      = "SCALE_OUT"      // more machines
	Stay          = "NONE"           // what is there carries it
)

// Direction is what to scale.
type Direction struct {
	Strategy  string  `json:"strategy"`
	Growth    float64 `json:"growth_factor"`         // needed over what is there, the margin included
	Ceiling   float64 `json:"vertical_ceiling"`      // the same factor for the largest machine of the catalogue
	ScaleUpTo string  `json:"scale_up_to,omitempty"` // the smallest machine that suffices, if one does
	Moves     []Move  `json:"moves,omitempty"`       // REFACTOR_FIRST: what to move where

	from, to Instance
}

// Move is a piece of state that has to leave the node.
type Move struct {
	What  string `json:"what"`
	Where string `json:"where"`
}

var moves = []Move{
	{"sessions and logins", "a store that every node reads (package session, or your framework's Redis store)"},
	{"carts, drafts, whatever is kept per visitor in memory", "the same store, or the database"},
	{"caches that hold the only copy", "the database, with a shared cache in front (package cache)"},
	{"uploaded and generated files", "object storage"},
	{"timers and background jobs", "a queue with workers of its own, enqueued in the business transaction"},
	{"counters and rate limits per process", "the gateway, or the store"},
	{"open WebSockets that speak to each other", "publish/subscribe in the store"},
	{"keys drawn at random when the process starts", "configuration: one key for all nodes"},
}

// defaultInstance is what a node runs on when nothing says it.
const defaultInstance = "t3.medium"

// insideBox is how a service is assumed to scale over the cores of one machine, when nobody has measured it. The published
// fit of SPEC SDM91 on one large machine is α = 0.028 and β = 0.0001.
var insideBox = USL{Alpha: 0.03, Beta: 0.0001, Gamma: 1}

func (q Question) prices() Prices {
	if q.Prices != nil {
		return q.Prices
	}
	return ShippedPrices()
}

// instance is what a node runs on.
func (q Question) instance(a *Answer, about string) (Instance, error) {
	prices := q.prices()
	if q.Instance != "" {
		one, ok := prices.Find(q.Instance)
		if !ok {
			return one, inputError("it has, among others: "+some(prices)+"; --prices FILE brings your own",
				"instance type %q is not in the price file", q.Instance)
		}
		return one, nil
	}
	one, ok := prices.Find(defaultInstance)
	if !ok {
		one = prices[0]
		for _, other := range prices {
			if other.VCPU < one.VCPU || other.VCPU == one.VCPU && other.USDHour < one.USDHour {
				one = other
			}
		}
	}
	a.assume(about, "a node runs on a %s (--instance)", one)
	return one, nil
}

func some(prices Prices) string {
	text := ""
	for i := 0; i < len(prices); i += max(1, len(prices)/6) {
		if text != "" {
			text += ", "
		}
		text += prices[i].Type
	}
	return text
}

// direction decides between a larger machine, a refactoring and more machines. It is asked by today's rate, or by saying
// that the service is stateless.
func (q Question) direction(a *Answer, peak float64, s *supply) error {
	if q.CurrentRPS == 0 && !(q.Stateless && s != nil) {
		return nil
	}
	if peak == 0 {
		a.unknown(aboutStrategy, "what to scale: that takes the peak to carry (--peak-rps)")
		return nil
	}
	from, err := q.instance(a, aboutStrategy)
	if err != nil {
		return err
	}
	d := &Direction{from: from}
	a.Direction = d
	d.Growth = q.growth(a, peak, s)
	kin := q.prices().kin(from)
	boxed := func(one Instance) float64 {
		return insideBox.Throughput(float64(one.VCPU)) / insideBox.Throughput(float64(from.VCPU))
	}
	for _, one := range kin {
		if boxed(one) > d.Ceiling {
			d.Ceiling, d.to = boxed(one), one
		}
	}
	a.assume(aboutStrategy, "inside one machine the service scales with α = %g and β = %g per vCPU, as good published ones do: "+
		"the best in the catalogue, %s, is worth %s times the %s",
		insideBox.Alpha, insideBox.Beta, d.to, report.Number(d.Ceiling), from.Type)
	for _, one := range kin {
		if reaches(boxed(one), d.Growth) {
			d.ScaleUpTo, d.to = one.Type, one
			break
		}
	}
	q.decide(a, d, boxed(d.to))
	return nil
}

// growth is how many times one machine of today the peak is. What one carries says it exactly; else today's rate has to.
func (q Question) growth(a *Answer, peak float64, s *supply) float64 {
	margin := 0.0
	if q.Margin != nil {
		margin = float64(*q.Margin)
	}
	base, what := float64(q.CurrentRPS), "today's rate"
	if s != nil {
		base, what = s.node, "what one node carries"
	} else {
		a.assume(aboutStrategy, "one machine is well filled by today's %s; what it can carry (--node-rps) would say it exactly",
			q.rate(base))
	}
	a.because(aboutStrategy, "%s are %s times %s (%s)",
		q.rate(peak*(1+margin)), report.Number(peak*(1+margin)/base), what, q.rate(base))
	return peak * (1 + margin) / base
}

// decide is the decision itself.
func (q Question) decide(a *Answer, d *Direction, worth float64) {
	alone := q.nodeAvailability() * q.Depends.availability()
	redundant := q.HA || float64(q.Availability) > alone
	switch {
	case !redundant && d.ScaleUpTo == d.from.Type:
		d.Strategy = Stay
		a.because(aboutStrategy, "one %s carries that", d.from.Type)
	case !redundant && d.ScaleUpTo != "":
		d.Strategy = ScaleUp
		a.because(aboutStrategy, "one %s is worth %s times today's machine: the smallest step, since state may stay where it is",
			d.to, report.Number(math.Floor(100*worth)/100))
		if a.Fleet != nil && a.Fleet.Nodes > 1 {
			a.because(aboutStrategy, "the other way is the %s of today's size above, once any of them can answer any request",
				report.Count(a.Fleet.Nodes, "node"))
		}
		a.change(aboutStrategy, "more than %s times the growth, or high availability (--ha): one machine is never redundant",
			report.Number(math.Floor(100*d.Ceiling/d.Growth)/100))
	case !q.Stateless:
		d.Strategy, d.Moves = RefactorFirst, moves
		a.because(aboutStrategy, "%s and the service is not known to be stateless: a second node would not know what the first "+
			"one keeps", q.whyNotUp(d, redundant))
		a.change(aboutStrategy, "proof that any node can answer any request, then --stateless: run two nodes (tenfold up --nodes 2 -- COMMAND), and "+
			"see whether logins, carts and uploads are still there when a request meets the other one")
	case a.Fleet != nil && !a.Fleet.Reachable:
		d.Strategy = RefactorFirst
		a.because(aboutStrategy, "%s and no number of nodes reaches the peak either: what the nodes share has to go first",
			q.whyNotUp(d, redundant))
	default:
		d.Strategy = ScaleOut
		a.because(aboutStrategy, "%s and any node can answer any request", q.whyNotUp(d, redundant))
		a.change(aboutStrategy, "state that stays on a node (files, sessions, caches): that comes first then")
	}
}

func (q Question) whyNotUp(d *Direction, redundant bool) string {
	if redundant && d.ScaleUpTo != "" {
		return "one machine is never redundant,"
	}
	return "no machine of the catalogue is worth more than " + report.Number(d.Ceiling) + " of today's,"
}
