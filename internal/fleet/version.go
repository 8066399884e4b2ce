package fleet

import (
	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/node"
)

// version is what the nodes of an owned service run. It is immutable.
type version struct {
	number  int            // 1 for the first version of the service; a number is never reused
	service config.Service // as the configuration said it
	driver  Driver
}

// newVersion makes the next version of the service. The lock is held.
func (s *service) newVersion(v Service) *version {
	s.versions++
	return &version{number: s.versions, service: v.Service, driver: v.Driver}
}

// history says which versions of an owned service run, and which one can run again.
type history struct {
	current    *version // what the nodes run
	previous   *version // what a rollback returns to; nil for none
	rolledBack bool     // current is older than what the configuration says
	canary     *canary  // nil for none
}

// canary is a version that gets a share of the requests. Its nodes run next to those of the current version.
type canary struct {
	version *version
	share   float64
	nodes   int // its number of slots
}

// adopt makes a version the current one, after the last node of another version has gone. A rollback uses up the
// previous version: it is kept until the next deploy, not longer.
func (h *history) adopt(v *version) {
	if h.rolledBack = v == h.previous; h.rolledBack {
		h.current, h.previous = v, nil
		return
	}
	h.current, h.previous = v, h.current
}

func (h *history) canarySplit() node.Canary {
	if h.canary == nil {
		return node.Canary{}
	}
	return node.Canary{Version: h.canary.version.number, Share: h.canary.share}
}

// describe fills in the versions of a status.
func (h *history) describe(st *Status) {
	if h.current == nil {
		return
	}
	st.Version, st.RolledBack, st.Canary = h.current.number, h.rolledBack, h.canarySplit()
	if h.previous != nil {
		st.Previous = h.previous.number
	}
}
