package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/tenfold-go/tenfold/internal/config"
)

// Service is a service of the configuration with what runs its nodes. A service with a command needs a Driver. A
// service with addresses needs neither. A service with a Remote has neither a command nor addresses.
type Service struct {
	config.Service
	Driver Driver
	Remote Remote
}

// kind is a service of one kind: owned, listed or remote. The kinds differ in who starts and stops the nodes.
type kind interface {
	// record returns the part that all kinds have in common.
	record() *service
	// run works until ctx ends and returns after all its goroutines. giveUp ends the whole fleet.
	run(ctx context.Context, giveUp context.CancelCauseFunc)
	// resize sets the wanted number of nodes and returns at once.
	resize(n int) error
	// restart replaces all nodes and returns when that is done.
	restart(ctx context.Context) error
	// drain replaces a node or takes it out of service, and returns when that is done.
	drain(ctx context.Context, m *member) error
}

// newKind checks a service and makes it.
func newKind(c *core, s Service) (kind, error) {
	switch runs, listed := len(s.Run) > 0, len(s.Addresses) > 0; {
	case s.Name == "":
		return nil, errors.New("no name")
	case c.traffic == nil && !s.Worker:
		return nil, errors.New("a serving service needs a Traffic implementation")
	case !listed && (s.MinNodes < 0 || s.MaxNodes < s.MinNodes):
		return nil, fmt.Errorf("%d..%d nodes is not a range", s.MinNodes, s.MaxNodes)
	case runs && !listed && s.Remote == nil:
		if s.Driver == nil {
			return nil, errors.New("a service with a command needs a driver")
		}
		return newOwned(c, s.Service, s.Driver), nil
	case listed && !runs && s.Remote == nil:
		return newListed(c, s.Service), nil
	case s.Remote != nil && !runs && !listed:
		return newRemote(c, s.Service, s.Remote), nil
	}
	return nil, errors.New("want either a command, or addresses, or a remote system")
}
