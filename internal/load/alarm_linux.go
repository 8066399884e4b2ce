package load

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// fdAlarm is a timer of the kernel that wakes through the poller, within some ten microseconds and without burning a
// core. The runtime's own timers are rounded up to a millisecond when the process sleeps in epoll.
type fdAlarm struct {
	f   *os.File
	fd  int
	buf [8]byte
}

// spin is the longest wait that is not worth an alarm: setting it and waking up costs about as much.
const spin = 20 * time.Microsecond

func newAlarm() (alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	return &fdAlarm{f: os.NewFile(uintptr(fd), "timerfd"), fd: fd}, nil
}

func (a *fdAlarm) until(d time.Duration) {
	if d <= spin {
		return
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	if unix.TimerfdSettime(a.fd, 0, &spec, nil) != nil {
		time.Sleep(d)
		return
	}
	a.f.Read(a.buf[:])
}

func (a *fdAlarm) close() error { return a.f.Close() }
