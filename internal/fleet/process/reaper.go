package process

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	reaperMinLife = time.Second // a reaper that ends sooner does not work
	tellPatience  = time.Second // for a reaper that does not read
)

// reaper is the driver's end of the reaper process. That process lives a little longer than this one: it kills the
// processes that are left.
type reaper struct {
	pipe *os.File // its standard input; it waits for the end of this file
	pid  int
	gone chan struct{} // closed when it has ended
	err  error         // how it ended; set before gone is closed

	closing atomic.Bool // it was told to end
}

// ensureReaper starts the reaper unless it runs. The lock of the driver is held.
func (d *Driver) ensureReaper() error {
	if !reaperWorks || len(d.opts.Reaper) == 0 {
		return nil
	}
	if d.reaper != nil {
		select {
		case <-d.reaper.gone:
			d.reaper.pipe.Close()
		default:
			return nil
		}
	}
	r, err := startReaper(d.opts.Reaper)
	if err != nil {
		return err
	}
	d.reaper = r
	go d.watchReaper(r, time.Now())
	r.write(d.tag)
	for i := range d.instances {
		r.tell('+', i.PID())
	}
	return nil
}

// watchReaper replaces a reaper that ends unasked. One that ends soon would do so again: the next start of a node tries
// again.
func (d *Driver) watchReaper(r *reaper, started time.Time) {
	<-r.gone
	if r.closing.Load() {
		return
	}
	d.log.Error("reaper ended", "err", r.err)
	d.replaceReaper(time.Since(started))
}

// replaceReaper starts a new reaper when the last one lived long enough.
func (d *Driver) replaceReaper(lived time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || lived < reaperMinLife {
		return
	}
	if err := d.ensureReaper(); err != nil {
		d.log.Error("reaper not replaced", "err", err)
	}
}

func startReaper(command []string) (*reaper, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = "/"
	// Without the tag of an outer fleet: the end of that fleet must not end this reaper before its work is done.
	cmd.Env = []string{}
	cmd.Stdin = read
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal, and so none of its signals
	if err := cmd.Start(); err != nil {
		write.Close()
		return nil, err
	}
	r := &reaper{pipe: write, pid: cmd.Process.Pid, gone: make(chan struct{})}
	go func() { r.err = cmd.Wait(); close(r.gone) }()
	return r, nil
}

// tell says that a process group begins ('+') or has ended ('-'). The tag does not find a group that has overwritten
// its environment, as some programs do to show a title in ps.
func (r *reaper) tell(sign rune, group int) {
	if r != nil {
		r.write(string(sign) + strconv.Itoa(group))
	}
}

// write sends a line. It ignores errors: a reaper that has ended is replaced.
func (r *reaper) write(line string) {
	_ = r.pipe.SetWriteDeadline(time.Now().Add(tellPatience))
	_, _ = io.WriteString(r.pipe, line+"\n")
}

// close makes the reaper kill what is left and end, and waits for it.
func (r *reaper) close() error {
	if r == nil {
		return nil
	}
	r.closing.Store(true)
	r.pipe.Close()
	select {
	case <-r.gone:
		return nil
	case <-time.After(killPatience):
		return errors.New("close reaper: it still waits for processes that do not end")
	}
}
