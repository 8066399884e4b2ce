package cache

import (
	"context"
	"errors"
	"testing"
)

// lostJoin is a store that loses its first answer to a join.
type lostJoin struct {
	store
	names chan string
}

func (s *lostJoin) join(ctx context.Context, node string) (memberList, error) {
	members, err := s.store.join(ctx, node)
	s.names <- node
	if len(s.names) == 1 {
		return memberList{}, errors.New("the answer is lost")
	}
	return members, err
}

// TestLostJoinIsNotRepeatedUnderTheSameName covers a node that is evicted between two requests to join. A late request
// would add it again, although an Invalidate has already waited for the end of its lease.
func TestLostJoinIsNotRepeatedUnderTheSameName(t *testing.T) {
	c, _ := newClockedCache(t, newTable(), nil)
	s := &lostJoin{store: c.store, names: make(chan string, 10)}
	c.store = s
	startRun(t, c)
	if first, second := <-s.names, <-s.names; first == second {
		t.Errorf("the node joined twice as %s", first)
	}
}
