package socket

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

const (
	firstPassed = 3   // the first descriptor that systemd passes; see sd_listen_fds(3)
	maxPassed   = 100 // a larger number is an error
)

// FromSystemd returns the sockets that systemd has passed to this process, and removes the variables that name them, so
// that no node inherits them. It returns none when there are none, or when they are for another process.
func FromSystemd() ([]Inherited, error) {
	pid, count, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	for _, key := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"} {
		os.Unsetenv(key)
	}
	if pid == "" || pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxPassed {
		return nil, fmt.Errorf("LISTEN_FDS is %q: want a number from 0 to %d", count, maxPassed)
	}
	for fd := firstPassed; fd < firstPassed+n; fd++ {
		if !isSocket(fd) { // it may be a descriptor of the Go runtime, which must not be closed
			return nil, fmt.Errorf("LISTEN_FDS is %d, but descriptor %d is not a socket", n, fd)
		}
	}
	all := make([]Inherited, n)
	for i, name := range strings.SplitN(names, ":", n+1) {
		if i < n {
			all[i].Name = name
		}
	}
	for i := range all {
		syscall.CloseOnExec(firstPassed + i)
		all[i].File = os.NewFile(uintptr(firstPassed+i), "LISTEN_FDS")
	}
	return all, nil
}

func isSocket(fd int) bool {
	var stat syscall.Stat_t
	return syscall.Fstat(fd, &stat) == nil && stat.Mode&syscall.S_IFMT == syscall.S_IFSOCK
}
