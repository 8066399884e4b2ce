package fleet

import (
	"errors"
	"time"
)

// failed notes that the slot's node failed, and returns the pause before the next one, or that there is no point in
// one.
func (s *slot) failed(err error) (pause time.Duration, hopeless error) {
	f := s.fleet
	exit := &Exit{Node: s.id, Reason: err.Error(), At: time.Now()}
	if e := (*ExitError)(nil); errors.As(err, &e) {
		exit.Output = e.Output
	}
	failures, wasReady := s.note(exit)
	pause = f.backoff.pause(failures)
	f.log.Warn("node ended", "service", s.service.Name, "node", exit.Node, "exit", exit.Reason,
		"failures", failures, "next_ms", pause.Milliseconds())
	f.tellLoop(s.service)
	if wasReady || errors.Is(err, errNotReady) || failures < startTries && !errors.Is(err, ErrNotRunnable) {
		return pause, nil
	}
	return 0, &StartError{
		Service: s.service.Name, Command: s.service.Run, Dir: s.service.Dir,
		Tries: failures, Output: exit.Output, Err: err,
	}
}

// note keeps how a node failed. It returns the failures in a row, and whether a node of this service ever worked.
func (s *slot) note(exit *Exit) (failures int, wasReady bool) {
	f := s.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	s.failures++
	s.service.lastExit = exit
	s.service.restarts++
	f.metrics.restarts.WithLabelValues(s.service.Name).Inc()
	f.notify()
	return s.failures, s.service.wasReady
}

// proved ends a row of failures.
func (s *slot) proved() {
	f := s.fleet
	f.mu.Lock()
	s.failures = 0
	f.mu.Unlock()
	f.tellLoop(s.service)
}

// tellLoop says once that a service got into a crash loop, and once that it is out of it.
func (f *Fleet) tellLoop(s *service) {
	f.mu.Lock()
	since, exit, is := s.loopSince, s.lastExit, s.looping()
	was := !since.IsZero()
	switch {
	case is && !was:
		s.loopSince = time.Now()
		f.notify()
	case was && !is:
		s.loopSince = time.Time{}
		f.notify()
	}
	f.mu.Unlock()
	switch {
	case is && !was:
		f.log.Warn("service is in a crash loop", "service", s.Name, "failures", crashLoopAt,
			"exit", exit.Reason, "output", exit.Output, "retry_max_ms", f.backoff.max.Milliseconds())
	case was && !is:
		f.log.Info("service is out of its crash loop", "service", s.Name, "after_ms", time.Since(since).Milliseconds())
	}
}
