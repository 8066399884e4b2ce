package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tenfold-go/tenfold/internal/runfile"
)

// runDetached prints the error of detach in the form of --log, and returns one without text.
func (cmd upCmd) runDetached(ctx context.Context, t *terminal) error {
	err := cmd.detach(ctx, t)
	if err == nil || cmd.Log != "json" {
		return err
	}
	printErrorRecords(slog.New(slog.NewJSONHandler(t.stderr, nil)), err)
	return &failure{errors.New(""), "", exitCode(err)}
}

// detach starts this command line again, in the background and in an own session, so that it stays when the terminal is
// closed. It returns when all nodes are ready, or with the last lines of a tenfold that ended.
func (cmd upCmd) detach(ctx context.Context, t *terminal) error {
	record, err := cmd.checkDetach(t)
	if err != nil {
		return err
	}
	path, err := backgroundLog(record)
	if err != nil {
		return hinted(fmt.Errorf("make the directory of the log file: %w", err), "XDG_STATE_HOME, or HOME, names a directory for it")
	}
	log, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open log file: %w", err)
	}
	defer log.Close()
	begin, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("open log file: %w", err)
	}
	child, ready, err := cmd.startBackground(path, log)
	if err != nil {
		return fmt.Errorf("start tenfold in the background: %w", err)
	}
	started, err := cmd.awaitBackground(ctx, child, ready)
	if err != nil {
		return explainBackground(err, path, begin)
	}
	_, err = fmt.Fprintf(t.stdout, "tenfold runs in the background (pid %d): %s%s\nlogs: tenfold logs -f; all output is in %s\nstop: tenfold stop\n",
		child.Process.Pid, strings.Join(started.Listen, ", "), started.adminText(), path)
	return err
}

// checkDetach finds what the process in the background would refuse, while a person still reads.
func (cmd upCmd) checkDetach(t *terminal) (*runfile.Record, error) {
	if cmd.File == "-" {
		return newRecord(cmd.File, "")
	}
	cfg, err := cmd.config(t)
	if err != nil {
		return nil, err
	}
	for _, note := range cfg.Notes() {
		if cmd.Log == "json" {
			slog.New(slog.NewJSONHandler(t.stderr, nil)).Warn("configuration note", problemAttrs("note", note)...)
		} else {
			fmt.Fprintf(t.stderr, "note: %s\n", note)
		}
	}
	record, err := cmd.record(cfg)
	if err != nil {
		return nil, err
	}
	all, err := runfile.List()
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.Directory == record.Directory && r.File == record.File && r.Name == record.Name {
			return nil, hinted(fmt.Errorf("%s runs already (pid %d)", cmp.Or(r.File, r.Name), r.PID), "tenfold status shows it, tenfold stop ends it")
		}
	}
	return record, nil
}

// startBackground starts the process. It returns the pipe in which the process says that it is ready.
func (cmd upCmd) startBackground(path string, log *os.File) (*exec.Cmd, *os.File, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer write.Close()
	child := exec.Command(self, backgroundArgs(os.Args[1:], path)...)
	child.Stdout, child.Stderr = log, log
	if cmd.File == "-" {
		child.Stdin = os.Stdin
	}
	child.ExtraFiles = []*os.File{write}
	child.Env = append(os.Environ(), readyVariable+"=3")
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		read.Close()
		return nil, nil, err
	}
	return child, read, nil
}

// backgroundArgs returns the command line of the process in the background.
func backgroundArgs(args []string, log string) []string {
	end := slices.Index(args, "--")
	if end < 0 {
		end = len(args)
	}
	flags := slices.DeleteFunc(slices.Clone(args[:end]), func(arg string) bool {
		return arg == "--detach" || strings.HasPrefix(arg, "--detach=")
	})
	return slices.Concat(flags, []string{"--background-log", log}, args[end:])
}

// awaitBackground waits until the process is ready or has ended. One that is not ready in time, or is not wanted any more,
// is stopped.
func (cmd upCmd) awaitBackground(ctx context.Context, child *exec.Cmd, ready *os.File) (*backgroundStart, error) {
	type answer struct {
		start *backgroundStart
		err   error
	}
	answers := make(chan answer, 1)
	go func() { // ends with the pipe: the process writes or ends
		defer ready.Close()
		line, err := bufio.NewReader(ready).ReadBytes('\n')
		if err != nil {
			ended := fmt.Errorf("tenfold in the background ended: %s", exitOf(child))
			answers <- answer{nil, &failure{ended, "", max(exitError, child.ProcessState.ExitCode())}}
			return
		}
		start := &backgroundStart{}
		answers <- answer{start, json.Unmarshal(line, start)}
	}()
	wait := cmp.Or(cmd.Timeout, readyTimeout)
	over := time.NewTimer(wait)
	defer over.Stop()
	var reason error
	select {
	case a := <-answers:
		return a.start, a.err
	case <-ctx.Done():
		reason = errors.New("interrupted before all nodes were ready")
	case <-over.C:
		reason = fmt.Errorf("not all nodes are ready after %v", wait)
	}
	child.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(killPatience, func() { child.Process.Kill() })
	defer kill.Stop()
	if a := <-answers; a.err == nil { // it was ready in the last moment
		exitOf(child)
	}
	return nil, reason
}

// exitOf waits for the end of a process and says how it ended.
func exitOf(child *exec.Cmd) string {
	if err := child.Wait(); err != nil {
		return err.Error()
	}
	return "exit status 0"
}

// explainBackground adds the last lines of the log file, from a place in it, to an error.
func explainBackground(err error, path string, from int64) error {
	const lines, size = 20, 64 << 10
	f, openErr := os.Open(path)
	if openErr != nil {
		return err
	}
	defer f.Close()
	info, statErr := f.Stat()
	if statErr != nil {
		return err
	}
	if info.Size() < from {
		from = 0 // the file was rotated
	}
	from = max(from, info.Size()-size)
	text, _ := io.ReadAll(io.LimitReader(io.NewSectionReader(f, from, size), size))
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	last := strings.Join(all[max(0, len(all)-lines):], "\n  ")
	code := exitCode(err)
	return &failure{fmt.Errorf("%w\nit wrote last, in %s:\n  %s", err, path, last), "tenfold up without --detach shows all of its output", code}
}
