package fleet

import (
	"cmp"
	"slices"
)

// candidate is a slot that scaling in may end.
type candidate struct {
	slot     *slot
	id       string // of its node; "" when it has none
	age      int
	inFlight int
}

// newCandidate describes a slot. The lock is held.
func newCandidate(s *slot) candidate {
	if s.runner.member == nil {
		return candidate{slot: s, age: s.runner.age, inFlight: -1}
	}
	return candidate{slot: s, id: s.runner.id, age: s.runner.age}
}

// sortCandidates puts those first that end first: slots without a node, then those with the fewest requests in flight,
// and of equal ones the youngest.
func sortCandidates(candidates []candidate) {
	slices.SortFunc(candidates, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.inFlight, b.inFlight), b.age-a.age)
	})
}
