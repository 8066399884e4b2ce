package cache

import (
	"context"
	"errors"
	"testing"
)

// deafJoin is a store whose first answer to a join is lost.
type deafJoin struct {
	store
	names chan string
}

func (s *deafJoin) join(ctx context.Context, node string) (map[string]bool, error) {
	members, err := s.store.join(ctx, node)
	s.names <- node
	if len(s.names) == 1 {
		return nil, errors.New("the answer is lost")
	}
	return members, err
}

// TestJoinThatWasLostIsNotRepeatedUnderItsName: the node may have been expelled since, and a request that is late would put it
// back behind the backs of those who have waited its lease out.
func TestJoinThatWasLostIsNotRepeatedUnderItsName(t *testing.T) {
	c, _ := embedded(t, newTable(), nil)
	s := &deafJoin{store: c.store, names: make(chan string, 10)}
	c.store = s
	running(t, c)
	if first, second := <-s.names, <-s.names; first == second {
		t.Errorf("joined twice as %s", first)
	}
}
