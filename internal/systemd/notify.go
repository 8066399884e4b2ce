// Package systemd tells a service manager how this process does, by the protocol of sd_notify(3).
package systemd

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Notifier sends states to the service manager. A nil Notifier sends nothing. Its methods may be called concurrently.
type Notifier struct {
	address  *net.UnixAddr
	watchdog time.Duration // 0 when the manager does not watch
	env      []string
}

// FromEnvironment returns the notifier of NOTIFY_SOCKET, or nil when there is no service manager. It removes the variables
// that say so: neither the nodes nor their programs may speak for tenfold.
func FromEnvironment() (*Notifier, error) {
	socket, usec, pid := os.Getenv("NOTIFY_SOCKET"), os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID")
	for _, key := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		os.Unsetenv(key)
	}
	if socket == "" {
		return nil, nil
	}
	if !strings.HasPrefix(socket, "/") && !strings.HasPrefix(socket, "@") {
		return nil, fmt.Errorf("NOTIFY_SOCKET is %q: want an absolute path, or a name that begins with @", socket)
	}
	n := &Notifier{address: &net.UnixAddr{Name: socket, Net: "unixgram"}, env: []string{"NOTIFY_SOCKET=" + socket}}
	if usec == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return n, nil
	}
	us, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || us <= 0 || us > int64(time.Duration(1<<63-1)/time.Microsecond) {
		return nil, fmt.Errorf("WATCHDOG_USEC is %q: want a number of microseconds", usec)
	}
	n.watchdog = time.Duration(us) * time.Microsecond
	n.env = append(n.env, "WATCHDOG_USEC="+usec)
	return n, nil
}

// Environment returns the variables for a successor of this process.
func (n *Notifier) Environment() []string {
	if n == nil {
		return nil
	}
	return n.env
}

// send sends one datagram with a state per line. It ignores errors: a service manager that does not listen is no reason to
// stop serving.
func (n *Notifier) send(lines ...string) {
	if n == nil {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, n.address)
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetWriteDeadline(time.Now().Add(time.Second))
	conn.Write([]byte(strings.Join(lines, "\n")))
}

// Ready says that this process serves. status is a sentence for systemctl status.
func (n *Notifier) Ready(status string) { n.send("READY=1", "STATUS="+oneLine(status)) }

// Reloading says that a reload or an upgrade has begun. Ready ends it.
func (n *Notifier) Reloading(status string) {
	n.send("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", monotonic()), "STATUS="+oneLine(status))
}

// Stopping says that this process drains.
func (n *Notifier) Stopping(status string) { n.send("STOPPING=1", "STATUS="+oneLine(status)) }

// Status changes the sentence for systemctl status.
func (n *Notifier) Status(status string) { n.send("STATUS=" + oneLine(status)) }

// MainPID says that another process is the service now. It must be sent by the process that is the service so far.
func (n *Notifier) MainPID(pid int) { n.send(fmt.Sprintf("MAINPID=%d", pid)) }

// Watch sends a sign of life twice per watchdog interval while healthy returns true, until ctx ends.
func (n *Notifier) Watch(ctx context.Context, healthy func(ctx context.Context) bool) {
	if n == nil || n.watchdog == 0 {
		return
	}
	ticker := time.NewTicker(n.watchdog / 2)
	defer ticker.Stop()
	for {
		if healthy(ctx) && ctx.Err() == nil {
			n.send("WATCHDOG=1")
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// monotonic is the time of CLOCK_MONOTONIC in microseconds.
func monotonic() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0
	}
	return now.Nano() / 1000
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
