package fleet

import (
	"slices"
	"time"

	"github.com/tenfold-go/tenfold/internal/node"
)

const (
	startTries  = 3 // failed starts in a row after which a service that was never ready is given up
	crashLoopAt = 5 // failures in a row that make a crash loop
)

// noteExit records how a node failed. It reports whether a node of this service ever became ready.
func (s *service) noteExit(exit *Exit) (everReady bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastExit = exit
	s.restarts++
	s.Metrics.restarts.WithLabelValues(s.Name).Inc()
	s.notify()
	return s.everReady
}

// cannotStart records that the service cannot start. It returns err when that is true of all services of the fleet, and
// nil while another service works or may still start: the service is then tried again and again, with growing pauses.
func (s *service) cannotStart(err *StartError) error {
	s.mu.Lock()
	first := s.startErr == nil
	s.startErr = err
	others := s.started
	for _, other := range s.core.services {
		others = others || other.everReady || other.startErr == nil && other.waitsFor == ""
	}
	s.mu.Unlock()
	if !others {
		return err
	}
	if first {
		s.Log.Error("service cannot start; the other services go on", "service", s.Name, "err", err, "hint", err.Hint())
	}
	return nil
}

// updateCrashLoop logs once that a crash loop begins, and once that it ends.
func (s *service) updateCrashLoop() {
	s.mu.Lock()
	since, exit := s.loopSince, s.lastExit
	was, is := !since.IsZero(), s.looping > 0
	switch {
	case is && !was:
		s.loopSince = time.Now()
		s.notify()
	case was && !is:
		s.loopSince = time.Time{}
		s.notify()
	}
	works := slices.ContainsFunc(s.members, func(m *member) bool { return m.ready && m.State != node.Draining })
	s.mu.Unlock()
	switch {
	case is && !was:
		s.Log.Warn("service is in a crash loop", "service", s.Name, "failures", crashLoopAt,
			"exit", exit.Reason, "output", exit.Output, "retry_max_ms", s.backoff.max.Milliseconds())
	case was && !is && works: // otherwise the service is being stopped
		s.Log.Info("service is out of its crash loop", "service", s.Name, "after_ms", time.Since(since).Milliseconds())
	}
}
