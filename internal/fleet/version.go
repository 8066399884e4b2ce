package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

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

// env returns the environment of a process of the version, in addition to that of tenfold.
func (v *version) env(c *core, id string) []string {
	env := slices.Clone(c.Env())
	own := v.service.Environment()
	for _, key := range slices.Sorted(maps.Keys(own)) {
		env = append(env, key+"="+own[key])
	}
	return append(env, "TENFOLD_SERVICE="+v.service.Name, "TENFOLD_NODE="+id)
}

func (v *version) limits() Limits {
	r := v.service.Resources
	return Limits{Memory: r.Memory, CPUWeight: r.CPUWeight, OpenFiles: r.OpenFiles, User: v.service.User}
}

// digest is the same for all versions, also of other fleets, that say the same.
func (v *version) digest() string {
	s := v.service
	said, err := json.Marshal([]any{s.Name, s.Run, s.Before, s.Dir, s.Environment(), s.User})
	if err != nil {
		panic(err) // text, lists and maps of text have a JSON form
	}
	sum := sha256.Sum256(said)
	return hex.EncodeToString(sum[:16])
}

// history says which versions of an owned service run, and which one can run again.
type history struct {
	current    *version // what the nodes run
	previous   *version // what a rollback returns to; nil for none
	rolledBack bool     // current is older than what the configuration says
	heldBack   bool     // the last deploy or update has failed: a rollback has nothing to undo
	canary     *canary  // nil for none
}

// canary is a version that gets a share of the requests. Its nodes run next to those of the current version.
type canary struct {
	version *version
	share   float64
}

// adopt makes a version the current one, after the last node of another version has gone. A rollback uses up the
// previous version: it is kept until the next deploy, not longer.
func (h *history) adopt(v *version) {
	h.heldBack = false
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
