package server

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

var (
	// ErrUpgrading refuses what would change the nodes during an upgrade, and another upgrade.
	ErrUpgrading = errors.New("an upgrade is in progress")
	// ErrChanging refuses an upgrade while something changes.
	ErrChanging = errors.New("not while something else changes")
	// ErrHandedOver refuses everything after an upgrade: another process serves.
	ErrHandedOver = errors.New("another process serves now")
)

// operations keeps upgrades apart from everything that changes nodes or the configuration.
type operations struct {
	mu        sync.Mutex
	active    map[string]int // by description
	upgrading bool
	successor int // the process that serves now; 0 for this one
}

// begin starts an operation. It fails during and after an upgrade.
func (o *operations) begin(description string) (end func(), err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.refusal(); err != nil {
		return nil, fmt.Errorf("%s: %w", description, err)
	}
	if o.active == nil {
		o.active = map[string]int{}
	}
	o.active[description]++
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.active[description]--; o.active[description] == 0 {
			delete(o.active, description)
		}
	}, nil
}

// refusal is the reason why nothing can begin now. The lock is held.
func (o *operations) refusal() error {
	switch {
	case o.successor != 0:
		return fmt.Errorf("%w: process %d", ErrHandedOver, o.successor)
	case o.upgrading:
		return ErrUpgrading
	}
	return nil
}

// beginUpgrade starts an upgrade. It fails during an operation.
func (o *operations) beginUpgrade() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.refusal(); err != nil {
		return err
	}
	if len(o.active) > 0 {
		return fmt.Errorf("%w: %s", ErrChanging, strings.Join(slices.Sorted(maps.Keys(o.active)), ", "))
	}
	o.upgrading = true
	return nil
}

// endUpgrade ends an upgrade; successor is the process that serves now, or 0 after a failure.
func (o *operations) endUpgrade(successor int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.upgrading, o.successor = false, successor
}
