package fleet

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"
)

// slot is the place of one wanted node. It runs one node at a time and replaces the node when it fails.
type slot struct {
	*service
	first    chan error    // receives the result of its first node: nil when that is ready, otherwise how it failed
	reported sync.Once     // sends to first
	gone     chan struct{} // closed when the slot and its last node have ended

	// Guarded by core.mu.
	version   *version           // of its next node
	runner    *runner            // of its node, or of the next one
	ctx       context.Context    // of run; an undrain gives the slot another one
	cancel    context.CancelFunc // ends ctx; nil until the slot is launched
	renew     func()             // sets ctx and cancel
	stays     chan struct{}      // closed and replaced when its node is undrained
	kept      bool               // its node was undrained: scaling in ends other ones first
	leaving   bool               // it ends, or has ended
	spare     bool               // it is going to replace another slot and does not count yet
	finished  bool               // its node ended and is not replaced: restart is never or on-failure
	canary    bool               // it runs the version that gets a share of the requests, and does not count
	pinned    bool               // it is being replaced
	failures  int                // in a row
	failure   *NodeError         // the last one of them
	shortages int                // starts in a row that failed because this machine lacks something
	counted   bool               // it counts in service.looping
}

// newSlot makes a slot. The lock is held.
func newSlot(s *service, v *version) *slot {
	slot := &slot{service: s, version: v, first: make(chan error, 1), gone: make(chan struct{}), stays: make(chan struct{})}
	slot.nextRunner()
	return slot
}

// nextRunner gives the slot the runner of its next node. The lock is held.
func (s *slot) nextRunner() *runner {
	r := &runner{service: s.service, version: s.version, life: s.life, onReady: s.nodeReady, onStable: s.nodeStable}
	r.age, r.id = s.nextID()
	s.runner = r
	return r
}

// life returns the context of the slot: its node ends with it.
func (s *slot) life() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ctx
}

// undrained returns a channel that is closed when the node of the slot is undrained.
func (s *slot) undrained() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stays
}

// stay takes back that the slot ends. The lock is held.
func (s *slot) stay() {
	s.leaving, s.kept = false, true
	s.countLooping()
	s.renew()
	close(s.stays)
	s.stays = make(chan struct{})
}

// run keeps a node in the slot until its context ends. Then it drains and stops the node. It calls giveUp with a
// *StartError when no service of the fleet can start.
func (s *slot) run(giveUp context.CancelCauseFunc) {
	s.mu.Lock()
	r, finished := s.runner, s.finished
	s.mu.Unlock()
	for {
		ctx := s.life()
		if finished {
			<-ctx.Done()
			return
		}
		err := r.run(ctx)
		if ctx = s.life(); ctx.Err() != nil {
			return
		}
		if s.isDetached() {
			<-ctx.Done() // the successor replaces the node
			return
		}
		if s.hasFinished(err) {
			s.finishNode(r.id, err)
			finished = true
			continue
		}
		failure := &NodeError{Node: r.id, Output: lastOutput(err), Err: err}
		first := s.report(failure)
		pause, fatal := s.nodeFailed(failure)
		if fatal != nil {
			giveUp(fatal)
		}
		if first && s.isSpare() { // a spare slot whose node was ready is about to count
			<-ctx.Done() // a new node that failed is held back, not tried again
			return
		}
		select {
		case <-time.After(pause):
			s.mu.Lock()
			r = s.nextRunner()
			s.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

func (s *slot) isSpare() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spare
}

// nodeReady reports that the node of the slot is ready. It returns how long the node must stay ready to be stable.
func (s *slot) nodeReady() (stableAfter time.Duration) {
	s.report(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shortages = 0
	return s.backoff.stableAfter(s.failures)
}

// nodeStable ends a row of failures.
func (s *slot) nodeStable() {
	s.mu.Lock()
	s.failures = 0
	s.countLooping()
	s.mu.Unlock()
	s.updateCrashLoop()
}

// nodeFailed records how the node of the slot failed. It returns the pause before the next node. fatal is a *StartError
// when no service of the fleet can start, so that the fleet is of no use.
func (s *slot) nodeFailed(failure *NodeError) (pause time.Duration, fatal error) {
	err := failure.Err
	exit := &Exit{Node: failure.Node, Reason: err.Error(), Output: failure.Output, At: time.Now()}
	if isShortage(err) {
		return s.startedShort(exit), nil
	}
	s.mu.Lock()
	v := s.runner.version
	s.failures++
	s.failure = failure
	failures := s.failures
	s.countLooping()
	s.mu.Unlock()
	everReady := s.noteExit(exit)
	pause = s.backoff.pause(failures)
	s.Log.Warn("node ended", "service", s.Name, "node", exit.Node, "exit", exit.Reason,
		"failures", failures, "next_ms", pause.Milliseconds())
	s.updateCrashLoop()
	if everReady || errors.Is(err, errNotReady) || failures < startTries && !errors.Is(err, ErrNotRunnable) {
		return pause, nil
	}
	return pause, s.cannotStart(&StartError{
		Service: s.Name, Command: v.service.Run, Dir: v.service.Dir,
		Tries: failures, Output: exit.Output, Err: err,
	})
}

// startedShort records a start that failed because this machine lacks something. It returns the pause before the next
// try. This is no failure of the service: it begins no crash loop and ends no fleet.
func (s *slot) startedShort(exit *Exit) (pause time.Duration) {
	s.mu.Lock()
	s.shortages++
	pause = s.backoff.pause(max(2, s.shortages))
	s.mu.Unlock()
	s.noteExit(exit)
	s.Log.Error("node not started: tenfold is short of a resource of this machine", "service", s.Name, "node", exit.Node,
		"err", exit.Reason, "next_ms", pause.Milliseconds())
	return pause
}

// isShortage reports whether err says that this machine lacks descriptors, memory or processes.
func isShortage(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EAGAIN} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// countLooping counts the slot in service.looping while its nodes fail too often in a row. The lock is held.
func (s *slot) countLooping() {
	looping := !s.leaving && s.failures >= crashLoopAt
	if looping == s.counted {
		return
	}
	s.counted = looping
	if looping {
		s.looping++
	} else {
		s.looping--
	}
}

// leave makes the slot count no more. The lock is held.
func (s *slot) leave() {
	s.leaving = true
	s.setFinished(false)
	s.countLooping()
}

// report sends the result of the first node of the slot. It drops later results, and returns false for them.
func (s *slot) report(err error) (first bool) {
	s.reported.Do(func() {
		s.first <- err
		first = true
	})
	return first
}
