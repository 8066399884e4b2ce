package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// Whether a node is ready is decided in one place: by the probes of the gateway, which the fleet asks through Traffic.
// The fleet itself remembers only that a node became ready once (member.ready), and that any node of a service did
// (service.everReady). A worker answers no probe: it is ready when it has run for stableMin.

// slowStart is how long a node may take to become ready before that is logged. Without the record, an operator would
// wait without a reason for a command that listens on another address, or for a wrong address.
const slowStart = 5 * time.Second

var (
	// errSlowStart ends the first, short wait for a node.
	errSlowStart = errors.New("not ready yet")
	// errNotReady ends a node that runs but does not become ready within the start timeout.
	errNotReady = errors.New("not ready in time")
)

// startTimeout is how long a node may take until it is ready.
func (s *service) startTimeout() time.Duration {
	return cmp.Or(s.config().StartTimeout, s.StartTimeout)
}

// awaitReady waits until a node is ready. It fails when the node ends first, when ctx ends, and with errNotReady after
// the start timeout.
func (s *service) awaitReady(ctx context.Context, v *version, id string, i Instance) error {
	return s.awaitWithin(ctx, s.startTimeout(), "start_timeout", v, id, i)
}

// awaitAnswer waits until the node of a predecessor, which was ready there, answers its probe here. A node that does not do
// so in the time of replace_after hangs. When that is off, it has the time of a new node.
func (s *service) awaitAnswer(ctx context.Context, v *version, id string, i Instance) error {
	if after := s.config().ReplaceAfter; after > 0 {
		return s.awaitWithin(ctx, after, "replace_after", v, id, i)
	}
	return s.awaitReady(ctx, v, id, i)
}

// awaitWithin waits for a time, which has the name of a key.
func (s *service) awaitWithin(ctx context.Context, limit time.Duration, key string, v *version, id string, i Instance) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errNotReady)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- s.awaitProbe(ctx, v, id, i.Address()) }()
	select {
	case err := <-result:
		if err != nil && ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) {
			err = context.Cause(ctx)
		}
		if errors.Is(err, errNotReady) && !v.service.Worker {
			err = fmt.Errorf("%w; expected: %s, within the %s of %v", err, s.expected(i.Address()), key, limit)
		}
		return err
	case <-i.Done():
		cancel()
		<-result
		return i.Err()
	}
}

// awaitProbe waits until a node answers its probe. It logs once when that takes long. A worker has no probe.
func (s *service) awaitProbe(ctx context.Context, v *version, id, address string) error {
	if v.service.Worker {
		select {
		case <-time.After(stableMin):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	soon, cancel := context.WithTimeoutCause(ctx, slowStart, errSlowStart)
	defer cancel()
	err := s.traffic.AwaitReady(soon, s.Name, id)
	if err == nil || soon.Err() == nil || ctx.Err() != nil {
		return err
	}
	s.warnNotReady(id, address, err)
	return s.traffic.AwaitReady(ctx, s.Name, id)
}

// warnNotReady logs that a node is not ready yet, once per service.
func (s *service) warnNotReady(id, address string, err error) {
	s.mu.Lock()
	warned := s.warned
	s.warned = true
	s.mu.Unlock()
	if !warned {
		s.Log.Warn("node is not ready", "service", s.Name, "node", id, "after_ms", slowStart.Milliseconds(),
			"err", err, "expected", s.expected(address))
	}
}

// expected says what a node at this address has to do to become ready.
func (s *service) expected(address string) string {
	listens := "it listens on " + address
	s.mu.Lock()
	kind, probe := s.kind, s.settings.Probe
	s.mu.Unlock()
	if kind == config.Owned {
		listens += ", which its environment names as HOST and PORT"
	}
	if probe.Off {
		return listens
	}
	statuses := make([]string, len(probe.Status))
	for i, r := range probe.Status {
		statuses[i] = r.String()
	}
	answers := ", and answers GET " + probe.Path + " with " + strings.Join(statuses, " or ")
	if probe.Body != "" {
		answers += " and " + strconv.Quote(probe.Body) + " in the body"
	}
	return listens + answers
}
