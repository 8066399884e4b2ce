package upstream

import (
	"math/rand/v2"

	"github.com/tenfold-go/tenfold/internal/config"
)

// split divides the nodes of a view while one version gets a share of the requests. It is immutable.
type split struct {
	canary, others *view // each has at least one node
	share          float64
}

// newSplit returns nil when no version gets a share, and when the nodes of only one side are eligible: they get all
// requests then.
func (p *Pool) newSplit(eligible []*member, picker config.Picker) *split {
	if p.canary.Version == 0 {
		return nil
	}
	var canary, others []*member
	for _, m := range eligible {
		if m.Node().Version == p.canary.Version {
			canary = append(canary, m)
		} else {
			others = append(others, m)
		}
	}
	if len(canary) == 0 || len(others) == 0 {
		return nil
	}
	return &split{newView(canary, picker, p.inFlight.Load), newView(others, picker, p.inFlight.Load), p.canary.Share}
}

// views returns the view that a request picks from, and the one that it picks from when the first has no node for it;
// nil for none. A request that belongs to the other nodes goes to the canary only after a failure: the canary must not
// get more than its share because the others are busy.
func (v *view) views(r *request) (first, second *view) {
	switch s := v.split; {
	case s == nil:
		return v, nil
	case r.position() < s.share:
		return s.canary, s.others
	case len(r.tried) > 0:
		return s.others, s.canary
	default:
		return s.others, nil
	}
}

// position is a number from 0 to 1 that decides whether a request belongs to the canary. All requests with the same key of
// a consistent hash have the same number.
func (r *request) position() float64 {
	if !r.placed {
		r.placed = true
		r.place = rand.Float64()
		if r.settings.service.Balance.Picker == config.PickHash {
			h := r.key * 0x9e3779b97f4a7c15 // apart from its place on the ring
			r.place = float64((h^h>>29)*0xbf58476d1ce4e5b9>>11) / (1 << 53)
		}
	}
	return r.place
}
