package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// Task is something that is done once per version of a service, however many fleets share the store.
type Task struct {
	Service string
	Version string // the same for all fleets that run the same
	Again   bool   // this fleet runs the version already, and is asked for it again: another run before this call does not count
	// Run does the task. Its context ends when the right to it is lost. The fence is a number that rises with each run.
	Run func(ctx context.Context, fence int64) error
}

// CommandError says that the command of before failed.
type CommandError struct {
	Command []string
	Output  []string // its last lines, oldest first
	Err     error    // how it failed
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("before: %s: %v%s", quoteWords(e.Command), e.Err, wroteLast(e.Err, e.Output))
}

func (e *CommandError) Unwrap() error { return e.Err }

// runBefore runs the command of before of a version, unless that was done. With again, which a deploy asks for, it is run
// even if this fleet has done it: the files that it reads may be new.
func (o *owned) runBefore(ctx context.Context, v *version, again bool) error {
	if len(v.service.Before) == 0 {
		return nil
	}
	ran, digest := false, v.digest()
	again = again && o.isDone(digest)
	err := o.Once(ctx, Task{Service: o.Name, Version: digest, Again: again, Run: func(ctx context.Context, fence int64) error {
		ran = true
		return o.runCommand(ctx, v, fence)
	}})
	if err == nil && !ran {
		o.Log.Info("before command was run by another tenfold", "service", o.Name, "version", v.number)
	}
	if err == nil {
		o.done(digest)
	}
	return err
}

// isDone reports whether the last run of the command was for this version.
func (o *owned) isDone(digest string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.doneBefore == digest
}

func (o *owned) done(digest string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.doneBefore = digest
}

// runCommand runs the command of before to its end. When ctx ends first, the command is stopped.
func (o *owned) runCommand(ctx context.Context, v *version, fence int64) error {
	s := &v.service
	o.mu.Lock()
	o.commands++
	id := fmt.Sprintf("%s-before.%d", o.Name, o.commands) // no node has a dot in its id
	o.mu.Unlock()
	log, begun := o.Log.With("service", o.Name, "version", v.number, "command", id), time.Now()
	log.Info("before command runs", "argv", strings.Join(s.Before, " "))
	env := append(v.env(o.core, id), "TENFOLD_FENCE="+strconv.FormatInt(fence, 10))
	i, err := v.driver.Start(ctx, Spec{ID: id, Run: s.Before, Dir: s.Dir, Env: env, Limits: v.limits()})
	if err != nil {
		return &CommandError{Command: s.Before, Err: err}
	}
	if awaitCommand(ctx, i, log) {
		err = i.Err()
	} else {
		stop, cancel := o.stopContext(ctx, o.StopGrace)
		defer cancel()
		err = errors.Join(context.Cause(ctx), i.Stop(stop))
	}
	if succeeded(err) {
		log.Info("before command is done", "after_ms", time.Since(begun).Milliseconds())
		return nil
	}
	return &CommandError{Command: s.Before, Output: lastOutput(errors.Join(err, i.Err())), Err: err}
}

// commandReminder is how often the log says that a command still runs.
const commandReminder = time.Minute

// awaitCommand waits for the end of a command. It returns false when ctx ends first. There is no limit of time: a
// migration that is cut off may do more harm than a slow one.
func awaitCommand(ctx context.Context, i Instance, log *slog.Logger) bool {
	reminder := time.NewTicker(commandReminder)
	defer reminder.Stop()
	for begun := time.Now(); ; {
		select {
		case <-reminder.C:
			log.Warn("before command still runs: the new nodes wait for it", "pid", i.PID(), "after_ms", time.Since(begun).Milliseconds())
		case <-i.Done():
			return true
		case <-ctx.Done():
			return false
		}
	}
}
