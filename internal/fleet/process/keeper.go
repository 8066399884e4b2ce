package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	keeperPatience = time.Minute            // after which the keeper gives up on processes that do not die
	keeperLife     = time.Second            // a shorter life is a program that does not work
	tellPatience   = time.Second            // for a keeper that does not read
	minMark        = 16                     // bytes of a mark that is surely ours
	maxKeeperLine  = 256                    // bytes; longer ones are not ours
	sweepPatience  = 5 * time.Second        // the same for the driver, whose sweep holds up the end of a node
	sweepPause     = 100 * time.Millisecond // longest, between two looks
)

// keeper is the driver's end of the second belt: a process that outlives this one by as long as it takes to kill what
// is left.
type keeper struct {
	pipe *os.File // its standard input; the end of the file is what it waits for
	pid  int
	gone chan struct{} // closed when it ended

	closing atomic.Bool // its end is wanted
}

// keep makes sure that a keeper runs. The driver's lock is held.
func (d *Driver) keep() error {
	if !keeperWorks || len(d.opts.Keeper) == 0 {
		return nil
	}
	if d.keeper != nil {
		select {
		case <-d.keeper.gone:
			d.keeper.pipe.Close()
		default:
			return nil
		}
	}
	k, err := d.startKeeper()
	if err != nil {
		return err
	}
	d.keeper = k
	k.write(d.mark)
	for i := range d.instances {
		k.tell('+', i.PID())
	}
	return nil
}

func (d *Driver) startKeeper() (*keeper, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	cmd := exec.Command(d.opts.Keeper[0], d.opts.Keeper[1:]...)
	cmd.Dir = "/"
	cmd.Env = []string{} // also no mark of an outer fleet: that one's end must not end this keeper before its work
	cmd.Stdin = read
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // away from the terminal and its signals
	if err := cmd.Start(); err != nil {
		write.Close()
		return nil, err
	}
	k := &keeper{pipe: write, pid: cmd.Process.Pid, gone: make(chan struct{})}
	begun := time.Now()
	go func() {
		err := cmd.Wait()
		close(k.gone)
		if !k.closing.Load() {
			d.log.Error("keeper ended", "error", err)
			d.replaceKeeper(time.Since(begun))
		}
	}()
	return k, nil
}

// replaceKeeper starts another keeper in place of one that ended. One that ended at once would do so again: it waits for the
// next start of a node.
func (d *Driver) replaceKeeper(lived time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || lived < keeperLife {
		return
	}
	if err := d.keep(); err != nil {
		d.log.Error("keeper not replaced", "error", err)
	}
}

// tell says that a process group begins or ends: the mark does not find one that overwrote its environment, as some
// programs do to show a title in ps.
func (k *keeper) tell(sign rune, group int) {
	if k != nil {
		k.write(string(sign) + strconv.Itoa(group))
	}
}

// write sends a line. A keeper that is dead is found and replaced at the next start.
func (k *keeper) write(line string) {
	_ = k.pipe.SetWriteDeadline(time.Now().Add(tellPatience))
	_, _ = io.WriteString(k.pipe, line+"\n")
}

// close lets the keeper do its work and end.
func (k *keeper) close() error {
	if k == nil {
		return nil
	}
	k.closing.Store(true)
	k.pipe.Close()
	select {
	case <-k.gone:
		return nil
	case <-time.After(killPatience):
		return errors.New("close keeper: it is still busy with processes that do not end")
	}
}

// Keeper is the whole life of the keeper process. It reads the fleet's mark and the process groups that come and go,
// and when the other end closes, because tenfold ended however it did, it kills what is left of both until nothing is.
// The program calls it when it is started with [Options.Keeper], with its standard input, and exits when it returns.
func Keeper(stdin io.Reader) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	lines := bufio.NewScanner(stdin)
	lines.Buffer(nil, maxKeeperLine)
	lines.Scan()
	mark := lines.Text()
	if len(mark) < minMark || strings.ContainsAny(mark, ",/ ") {
		return fmt.Errorf("keep fleet: %q is not a mark: this verb is tenfold's own, not for people", mark)
	}
	groups := map[int]bool{}
	for lines.Scan() {
		switch group, err := strconv.Atoi(lines.Text()); {
		case err != nil || group == 0:
			return fmt.Errorf("keep fleet: unknown line %q", lines.Text())
		case group > 0:
			groups[group] = true
		default:
			delete(groups, -group)
		}
	}
	return sweep(mark, groups, keeperPatience)
}

// sweep kills what carries the mark or is in one of the groups until nothing is left of it.
func sweep(mark string, groups map[int]bool, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, sweepPause) {
		left, err := remains(mark, groups)
		if err != nil {
			return fmt.Errorf("look for processes: %w", err)
		}
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v do not end on SIGKILL", left)
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL) // what cannot be killed is seen at the next look
		}
		time.Sleep(pause)
	}
}
