package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/tenfold-go/tenfold/internal/fdlink"
	"github.com/tenfold-go/tenfold/internal/status"
	"github.com/tenfold-go/tenfold/internal/succession"
)

// ErrNoUpgrade refuses an upgrade of a tenfold that cannot start a successor.
var ErrNoUpgrade error = &ConfigError{
	errors.New("this tenfold cannot be upgraded while it runs"), "on Linux, tenfold up can; otherwise stop it and start the new one",
}

// succeeded is the successor that serves, and the role that this process has from then on.
type succeeded struct {
	successor  *succession.Successor
	supervisor *succession.Supervisor // nil when another process is the supervisor
}

// Upgrade starts the program again, as it is on the disk now, and lets the new process serve. Its nodes, its store and its
// addresses stay as they are. When the new process fails, is too slow or ends, this one goes on, and Upgrade returns why.
// After an upgrade [Server.HandedOver] is closed: the context of Run must end, so that this process drains.
func (s *Server) Upgrade(ctx context.Context) (*status.Upgrade, error) {
	if s.program == nil {
		return nil, ErrNoUpgrade
	}
	if err := s.operations.beginUpgrade(); err != nil {
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	begun := time.Now()
	s.notifier.Reloading("upgrading")
	s.log.Info("upgrade begins", "program", s.program().Path)
	done, err := s.succeed(ctx)
	if err != nil {
		s.operations.endUpgrade(0)
		s.notifier.Ready("the upgrade has failed; this process serves")
		s.log.Error("upgrade failed: this process goes on serving", "err", err)
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	next := done.successor
	s.operations.endUpgrade(next.PID)
	s.log.Info("upgraded: another process serves, this one drains", "pid", next.PID, "version", next.Version, "commit", next.Commit,
		"after_ms", time.Since(begun).Milliseconds())
	s.done = done
	close(s.handedOver)
	return &status.Upgrade{Former: s.identity, PID: next.PID, Version: next.Version, Commit: next.Commit}, nil
}

// HandedOver is closed when a successor serves.
func (s *Server) HandedOver() <-chan struct{} { return s.handedOver }

// Leave waits until the connections of this process are over, for at most drain, or until the successor stops nodes. It is
// for the time after an upgrade, before the context of Run ends. The end of ctx ends it at once.
func (s *Server) Leave(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with the successor, or with this process
		s.done.successor.AwaitEnd()
		cancel()
	}()
	s.gateway.Leave(ctx)
}

// Supervise waits for the end of the process that serves, if this process is its supervisor, and returns its exit code. It
// is for the time after Run, when [Server.HandedOver] is closed. In another process it returns the exit code of a
// successor that has ended already, for the supervisor, and otherwise 0.
func (s *Server) Supervise() (code int) {
	if s.done.supervisor == nil {
		code, _ := s.done.successor.Ended()
		return code
	}
	return s.done.supervisor.Wait(s.done.successor)
}

// succeed starts a successor, gives it everything, and waits until it serves.
func (s *Server) succeed(ctx context.Context) (done *succeeded, err error) {
	next, err := succession.Start(s.program())
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			next.Kill()
		}
	}()
	stop := context.AfterFunc(ctx, next.Kill) // this process has to end before the successor serves
	defer stop()
	if err := next.AwaitTake(); err != nil {
		return nil, err
	}
	done = &succeeded{successor: next}
	supervisor, err := s.supervisorSocket(done)
	if err != nil {
		return nil, err
	}
	defer supervisor.Close()
	if err := s.prepare(next, supervisor); err != nil {
		done.abandon()
		return nil, err
	}
	if !stop() {
		s.process.Resume()
		done.abandon()
		return nil, context.Cause(ctx)
	}
	if err := s.process.Release(); err != nil {
		done.abandon()
		return nil, err
	}
	s.leave(done)
	return done, nil
}

func (d *succeeded) abandon() {
	if d.supervisor != nil {
		d.supervisor.Close()
	}
}

// supervisorSocket returns the socket by which the successor reaches the supervisor. Without one, this process becomes it.
func (s *Server) supervisorSocket(done *succeeded) (socket *os.File, err error) {
	if s.inherited != nil {
		return s.inherited.supervised.File()
	}
	done.supervisor, socket, err = succession.NewSupervisor()
	return socket, err
}

// prepare sends the state, and waits until the successor could serve. After an error, everything is as before.
func (s *Server) prepare(next *succession.Successor, supervisor *os.File) error {
	st, files, err := s.offer()
	if err != nil {
		return err
	}
	defer fdlink.CloseAll(files)
	err = next.SendState(st, slices.Concat([]*os.File{supervisor}, files))
	if err == nil {
		err = next.AwaitReady()
	}
	if err != nil {
		s.process.Resume()
	}
	return err
}

// leave lets the successor serve. It cannot be undone, because the successor has the nodes.
func (s *Server) leave(done *succeeded) {
	next := done.successor
	s.fleet.Detach()
	if done.supervisor != nil {
		becomeSupervisor(s.log)
		done.supervisor.Start(next.PID)
	}
	s.notifier.MainPID(next.PID)
	err := next.Go()
	s.sockets.Release()
	s.console.Release()
	if err == nil {
		err = next.AwaitServing()
	}
	if err != nil { // if it ends, the reaper ends the nodes
		s.log.Error("the new process has taken over, and has not confirmed that it serves", "pid", next.PID, "err", err)
	}
}
