package runfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrEnded says that the process of a record has ended.
var ErrEnded = errors.New("tenfold has ended")

// Process is the process of a record. Close must be called.
type Process struct {
	process *os.Process
	path    string
	file    *os.File
}

// Process returns the process of a record that [List] has returned. It fails with [ErrEnded] when the process has ended.
func (r *Record) Process() (*Process, error) {
	file, err := os.Open(r.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrEnded
	} else if err != nil {
		return nil, err
	}
	p := &Process{path: r.path, file: file}
	if p.process, err = os.FindProcess(r.PID); err == nil && !locked(file) {
		err = ErrEnded // checked last: while the lock is held, the number belongs to this process
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Signal sends a signal to the process. It fails with [ErrEnded] when the process has ended.
func (p *Process) Signal(s os.Signal) error {
	if !locked(p.file) && !p.updated() {
		return ErrEnded // a process that its parent has not collected yet accepts signals
	}
	err := p.process.Signal(s)
	switch {
	case errors.Is(err, os.ErrProcessDone):
		return ErrEnded
	case err != nil:
		return fmt.Errorf("signal process %d: %w", p.process.Pid, err)
	}
	return nil
}

// endPoll is how often Await looks. The system tells the end of a process to its parent only.
const endPoll = 20 * time.Millisecond

// Await returns nil when the process has ended, or the error of ctx.
func (p *Process) Await(ctx context.Context) error {
	ticker := time.NewTicker(endPoll)
	defer ticker.Stop()
	for locked(p.file) || p.updated() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// updated reports whether the process has written its file again, and continues with that file.
func (p *Process) updated() bool {
	r, ok := read(p.path)
	if !ok || r.PID != p.process.Pid {
		return false
	}
	file, err := os.Open(p.path)
	if err != nil {
		return false
	}
	p.file.Close()
	p.file = file
	return true
}

// Close forgets the process.
func (p *Process) Close() error {
	if p.process != nil {
		p.process.Release()
	}
	return p.file.Close()
}
