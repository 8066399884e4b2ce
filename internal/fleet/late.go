package fleet

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
)

// A node that is not ready soon is told of, once per service: who starts a command that listens elsewhere, or names an address
// where nobody listens, would else hear nothing for a long time.

const lateAfter = 5 * time.Second

// errLate is the cause of the first, short wait for a node.
var errLate = errors.New("not ready yet")

// awaitServing waits until a node answers its probe, and tells when that takes long.
func (f *Fleet) awaitServing(ctx context.Context, s *service, id, address string) error {
	soon, cancel := context.WithTimeoutCause(ctx, lateAfter, errLate)
	defer cancel()
	err := f.traffic.AwaitReady(soon, s.Name, id)
	if err == nil || soon.Err() == nil || ctx.Err() != nil {
		return err
	}
	f.tellLate(s, id, address, err)
	return f.traffic.AwaitReady(ctx, s.Name, id)
}

// look tells when a node that runs elsewhere is not ready soon after the fleet has started.
func (f *Fleet) look(ctx context.Context, s *service) {
	soon, cancel := context.WithTimeoutCause(ctx, lateAfter, errLate)
	defer cancel()
	for _, n := range f.Nodes(s.Name) {
		if err := f.traffic.AwaitReady(soon, s.Name, n.ID); err != nil && ctx.Err() == nil {
			f.tellLate(s, n.ID, n.Address, err)
			return
		}
	}
}

func (f *Fleet) tellLate(s *service, id, address string, err error) {
	f.mu.Lock()
	told := s.toldLate
	s.toldLate = true
	f.mu.Unlock()
	if !told {
		f.log.Warn("node is not ready", "service", s.Name, "node", id, "after_ms", lateAfter.Milliseconds(),
			"error", err, "expected", s.expected(address))
	}
}

// expected says what a node at this address has to do to be ready.
func (s *service) expected(address string) string {
	listens := "it listens on " + address
	if !s.static() {
		listens += ", which its environment names as HOST and PORT"
	}
	if s.Probe.Off {
		return listens
	}
	statuses := make([]string, len(s.Probe.Status))
	for i, r := range s.Probe.Status {
		statuses[i] = r.String()
	}
	answers := ", and answers GET " + s.Probe.Path + " with " + strings.Join(statuses, " or ")
	if s.Probe.Body != "" {
		answers += " and " + strconv.Quote(s.Probe.Body) + " in the body"
	}
	return listens + answers
}
