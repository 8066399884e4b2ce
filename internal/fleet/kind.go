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
	// run works until ctx ends and returns after all its goroutines. giveUp ends the whole fleet. When the cause of ctx is
	// errRemoved, none of its nodes is left after that.
	run(ctx context.Context, giveUp context.CancelCauseFunc)
	// resize sets the wanted number of nodes and returns at once.
	resize(n int) error
	// awaitStart waits until the nodes of a job that was just launched are ready, as Fleet.AwaitReady says it.
	awaitStart(ctx context.Context) error
	// update changes the service to another form of the same kind and returns when that is done.
	update(ctx context.Context, s Service) error
	// restart replaces all nodes and returns when that is done.
	restart(ctx context.Context) error
	// drain replaces a node or takes it out of service, and returns when that is done.
	// With force, that may be the last ready node of a list.
	drain(ctx context.Context, m *member, force bool) error
	// undrain takes a node that drains back into service, and returns at once.
	undrain(m *member) error
}

// kindOf returns the kind of a service that check accepts.
func kindOf(s Service) config.Kind {
	switch {
	case s.Remote != nil:
		return config.Remote
	case len(s.Addresses) > 0:
		return config.Listed
	}
	return config.Owned
}

// check reports what is wrong with a service.
func check(c *core, s Service) error {
	switch runs, listed := len(s.Run) > 0, len(s.Addresses) > 0; {
	case s.Name == "":
		return errors.New("no name")
	case c.traffic == nil && !s.Worker:
		return errors.New("a serving service needs a Traffic implementation")
	case !listed && (s.MinNodes < 0 || s.MaxNodes < s.MinNodes):
		return fmt.Errorf("%d..%d nodes is not a range", s.MinNodes, s.MaxNodes)
	case runs && !listed && s.Remote == nil:
		if s.Driver == nil {
			return errors.New("a service with a command needs a driver")
		}
		return nil
	case listed && !runs && s.Remote == nil, s.Remote != nil && !runs && !listed:
		return nil
	}
	return errors.New("want either a command, or addresses, or a remote system")
}

// newKind gives a record the form of a service that check accepts, and makes what runs it. The lock is held.
func newKind(record *service, s Service) kind {
	switch kindOf(s) {
	case config.Remote:
		return newRemote(record, s)
	case config.Listed:
		return newListed(record, s)
	}
	return newOwned(record, s)
}
