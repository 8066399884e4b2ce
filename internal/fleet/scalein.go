package fleet

import (
	"cmp"
	"slices"
)

// shrink retires the slots that are too many: those without a node first, then those with the fewest requests in
// flight, the youngest of equals. Slots that are being replaced stay out of it; what then is too many goes when the
// replacement ends.
func (f *Fleet) shrink(s *service) {
	f.mu.Lock()
	counted := s.counted()
	surplus := len(counted) - s.wanted
	victims := make([]victim, 0, len(counted))
	for _, slot := range counted {
		if !slot.pinned {
			victims = append(victims, slot.victim())
		}
	}
	f.mu.Unlock()
	if surplus <= 0 {
		return
	}
	if t, ok := f.traffic.(interface{ InFlight(id string) int }); ok { // outside the lock: it is somebody else's code
		for i := range victims {
			if v := &victims[i]; v.id != "" {
				v.inFlight = t.InFlight(v.id)
			}
		}
	}
	sortVictims(victims)

	f.mu.Lock()
	defer f.mu.Unlock()
	surplus = len(s.counted()) - s.wanted // it may have changed meanwhile
	for _, v := range victims {
		if surplus > 0 && !v.slot.leaving && !v.slot.pinned {
			f.retire(v.slot)
			surplus--
		}
	}
}

// victim is a slot as a candidate for scaling in.
type victim struct {
	slot     *slot
	id       string // "" without a node
	age      int
	inFlight int
}

// victim is the slot as a candidate for scaling in. The lock is held.
func (s *slot) victim() victim {
	if s.member == nil {
		return victim{slot: s, age: s.age, inFlight: -1}
	}
	return victim{slot: s, id: s.member.ID, age: s.age}
}

// sortVictims puts first what goes first: the least loaded, the youngest of equals.
func sortVictims(victims []victim) {
	slices.SortFunc(victims, func(a, b victim) int {
		return cmp.Or(cmp.Compare(a.inFlight, b.inFlight), b.age-a.age)
	})
}
