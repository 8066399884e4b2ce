package fleet

import (
	"errors"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// hasFinished reports whether a node that ended with err is not replaced, by the restart policy of its worker. A node
// that could not be started, or that was not ready in time, is always replaced.
func (s *slot) hasFinished(err error) bool {
	if !s.config().Worker || !errors.As(err, new(*ExitError)) {
		return false
	}
	switch s.config().Restart {
	case config.RestartNever:
		return true
	case config.RestartOnFailure:
		return succeeded(err)
	}
	return false
}

// finishNode records that the node of the slot has ended and is not replaced.
func (s *slot) finishNode(id string, err error) {
	s.Log.Info("node finished", "service", s.Name, "node", id, "exit", err.Error())
	s.mu.Lock()
	s.failures = 0
	s.setFinished(true)
	s.everReady, s.started = true, true
	if !succeeded(err) {
		s.lastExit = &Exit{Node: id, Reason: err.Error(), Output: lastOutput(err), At: time.Now()}
	}
	s.countLooping()
	s.notify()
	s.mu.Unlock()
	if succeeded(err) {
		s.report(nil)
	} else {
		s.report(&NodeError{Node: id, Output: lastOutput(err), Err: err})
	}
	s.updateCrashLoop()
}

// setFinished counts the slot in service.finished. The lock is held.
func (s *slot) setFinished(is bool) {
	if is == s.finished {
		return
	}
	s.finished = is
	if is {
		s.service.finished++
	} else {
		s.service.finished--
	}
}
