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
	kept     bool // it was undrained
}

// newCandidate describes a slot. The lock is held.
func newCandidate(s *slot) candidate {
	if s.runner.member == nil {
		return candidate{slot: s, age: s.runner.age, inFlight: -1}
	}
	return candidate{slot: s, id: s.runner.id, age: s.runner.age, kept: s.kept}
}

// sortCandidates puts those first that end first: slots without a node, then those with the fewest requests in flight,
// and of equal ones the youngest. Undrained nodes end last.
func sortCandidates(candidates []candidate) {
	slices.SortFunc(candidates, func(a, b candidate) int {
		if a.kept != b.kept {
			if a.kept {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(a.inFlight, b.inFlight), b.age-a.age)
	})
}
