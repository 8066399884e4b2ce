package plan

import "github.com/tenfold-go/tenfold/internal/queueing"

// StrategyKind is a way to carry more load.
type StrategyKind string

const (
	ScaleUp       StrategyKind = "SCALE_UP"       // a larger machine
	RefactorFirst StrategyKind = "REFACTOR_FIRST" // remove what keeps the service on one machine, then scale out
	ScaleOut      StrategyKind = "SCALE_OUT"      // more machines
	NoChange      StrategyKind = "NONE"           // the present machine is enough
)

// Strategy is what to scale.
type Strategy struct {
	Kind      StrategyKind `json:"strategy"`
	Growth    float64      `json:"growth_factor"`         // required rate over the present rate, with the margin
	Ceiling   float64      `json:"vertical_ceiling"`      // the same factor for the largest machine of the catalogue
	ScaleUpTo string       `json:"scale_up_to,omitempty"` // the smallest machine that is enough, if there is one
	Moves     []Move       `json:"moves,omitempty"`       // REFACTOR_FIRST: which state to move where

	from        Instance // present machine
	assumedFrom bool     // from is the default
	largest     Instance // the machine of Ceiling
	to          Instance // SCALE_UP: the machine of ScaleUpTo; otherwise the largest
	worth       float64  // rate of to over rate of from
	base        float64  // the rate that Growth is relative to
	baseIsNode  bool     // base is the capacity of one node, not the current rate
	redundant   bool     // the inputs ask for more than one machine
}

// Move is a kind of state that must leave the node.
type Move struct {
	What  string `json:"what"`
	Where string `json:"where"`
}

var moves = []Move{
	{"sessions and logins", "a store that every node reads (package session, or the Redis store of your framework)"},
	{"carts, drafts and other data of a visitor in memory", "the same store, or the database"},
	{"caches that hold the only copy", "the database, with a shared cache in front (package cache)"},
	{"uploaded and generated files", "object storage"},
	{"timers and background jobs", "a queue with separate workers; enqueue in the business transaction"},
	{"counters and rate limits per process", "the gateway, or the store"},
	{"WebSockets that send messages to each other", "publish/subscribe in the store"},
	{"keys that a process draws at random at start", "configuration: one key for all nodes"},
}

// vertical is the assumed scaling of a service over the cores of one machine. The published fit of SPEC SDM91 on one
// large machine is α = 0.028 and β = 0.0001.
var vertical = queueing.USL{Alpha: 0.03, Beta: 0.0001, Gamma: 1}

// chooseStrategy decides between a larger machine, a refactoring and more machines. It returns nil if the inputs do not
// ask or the peak is not known. It fails if the instance type is not in the price file.
func chooseStrategy(in Inputs, peak float64, c *capacity, fleet *Fleet) (*Strategy, error) {
	if !in.asksForStrategy(c) || peak == 0 {
		return nil, nil
	}
	s := &Strategy{}
	var err error
	if s.from, s.assumedFrom, err = in.instance(); err != nil {
		return nil, err
	}
	s.base, s.baseIsNode = float64(in.CurrentRPS), c != nil
	if s.baseIsNode {
		s.base = c.node()
	}
	s.Growth = peak * (1 + in.givenMargin()) / s.base
	s.chooseMachine(in.prices())

	alone := in.nodeAvailability() * in.Depends.availability()
	s.redundant = in.HA || float64(in.Availability) > alone
	s.Kind = s.decide(in.Stateless, fleet)
	if s.Kind == RefactorFirst && !in.Stateless {
		s.Moves = moves
	}
	return s, nil
}

// asksForStrategy reports whether the inputs ask what to scale: by the current rate, or by saying that the service is
// stateless and what a node carries.
func (in Inputs) asksForStrategy(c *capacity) bool {
	return in.CurrentRPS > 0 || in.Stateless && c != nil
}

// givenMargin returns the margin, or 0 if it follows from queueing theory.
func (in Inputs) givenMargin() float64 {
	if in.Margin == nil {
		return 0
	}
	return float64(*in.Margin)
}

// chooseMachine finds the most powerful machine, and the smallest one that is enough.
func (s *Strategy) chooseMachine(prices Prices) {
	family := prices.family(s.from)
	worth := func(one Instance) float64 {
		return vertical.Throughput(float64(one.VCPU)) / vertical.Throughput(float64(s.from.VCPU))
	}
	for _, one := range family {
		if w := worth(one); w > s.Ceiling {
			s.Ceiling, s.largest = w, one
		}
	}
	s.to = s.largest
	for _, one := range family {
		if reaches(worth(one), s.Growth) {
			s.ScaleUpTo, s.to = one.Type, one
			break
		}
	}
	s.worth = worth(s.to)
}

// decide returns the strategy.
func (s *Strategy) decide(stateless bool, fleet *Fleet) StrategyKind {
	switch {
	case !s.redundant && s.ScaleUpTo == s.from.Type:
		return NoChange
	case !s.redundant && s.ScaleUpTo != "":
		return ScaleUp
	case !stateless || fleet != nil && !fleet.Reachable && !fleet.Undetermined:
		return RefactorFirst
	}
	return ScaleOut
}
