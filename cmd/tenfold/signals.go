package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// handleSignals makes every signal but SIGINT and SIGTERM, which main handles, safe for requests. Its context ends on a
// signal that drains. The signals stay handled until the process ends.
//
//	SIGHUP   reloads the file; drains, once or more often, when there is no file or when the terminal is gone;
//	         ignored when it was ignored at the start, as under nohup
//	SIGQUIT  writes the stacks of all goroutines to standard error, then drains
//	SIGUSR1  opens the log file again
//	SIGUSR2  upgrades: see upgradeOnSignal
//	SIGPIPE  does nothing: without this, a closed standard output or standard error would end the process
func (d *diagnostics) handleSignals(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, drain := context.WithCancel(ctx)
	// Each write to a closed connection sends SIGPIPE, too. It has its own channel, which is not read, so that it
	// displaces no other signal. The processes that tenfold starts get the default action, as they would not with
	// signal.Ignore.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGQUIT, syscall.SIGUSR1)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	d.hadTerminal = hasTerminal()
	go func() { // ends with the process
		for s := range signals {
			switch s {
			case syscall.SIGUSR1:
				go d.reopen() // apart: the file system may block
			case syscall.SIGHUP:
				d.hangup(drain)
			case syscall.SIGQUIT:
				d.dumpStacks()
				d.drain(s, drain)
			default:
				d.drain(s, drain)
			}
		}
	}()
	return ctx, drain
}

// reloadOnHangup makes SIGHUP ask for a reload instead of draining.
func (d *diagnostics) reloadOnHangup(reloads reloadRequests) { d.reloads.Store(&reloads) }

// hangupPause is how long after SIGHUP the terminal is looked at: the signal may come a moment before the terminal is gone.
const hangupPause = 100 * time.Millisecond

// hangup drains when the terminal that tenfold was started in is gone, and when there is no file. Else it asks for a reload.
func (d *diagnostics) hangup(drain func()) {
	reloads := d.reloads.Load()
	if d.hadTerminal {
		time.Sleep(hangupPause)
	}
	if reloads == nil || d.hadTerminal && !hasTerminal() {
		d.drain(syscall.SIGHUP, drain)
		return
	}
	reloads.add("signal hangup")
}

// hasTerminal reports whether this process has a controlling terminal.
func hasTerminal() bool {
	f, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	f.Close()
	return true
}

func (d *diagnostics) drain(s os.Signal, drain func()) {
	d.Events.Info("draining", "signal", s.String())
	drain()
}

func (d *diagnostics) reopen() {
	if err := d.Reopen(); err != nil {
		d.Events.Error("log file not reopened", "err", err)
	}
}

// dumpStacks writes the stacks of all goroutines, each one as one record.
func (d *diagnostics) dumpStacks() {
	log, w := d.Dump()
	for _, stack := range strings.Split(strings.TrimSpace(stacks()), "\n\n") {
		if d.onlyJSON {
			log.Warn("goroutine", "stack", stack)
		} else {
			fmt.Fprintf(w, "%s\n\n", stack)
		}
	}
}

// stacks returns the stacks of all goroutines, at most 64 MiB of them.
func stacks() string {
	for size := 1 << 20; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size || size >= 64<<20 {
			return string(buf[:n])
		}
	}
}
