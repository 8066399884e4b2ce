package systemd

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// manager is a service manager that reads what is sent to it.
type manager struct{ conn *net.UnixConn }

// listen sets the environment as a service manager does.
func listen(t *testing.T, watchdog string) manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", watchdog)
	t.Setenv("WATCHDOG_PID", "")
	return manager{conn}
}

func (m manager) read(t *testing.T) string {
	t.Helper()
	m.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, 4096)
	n, err := m.conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func fromEnvironment(t *testing.T) *Notifier {
	t.Helper()
	n, err := FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestStates(t *testing.T) {
	m := listen(t, "")
	n := fromEnvironment(t)
	for _, c := range []struct {
		send func()
		want string
	}{
		{func() { n.Ready("serves 2\nservices") }, "^READY=1\nSTATUS=serves 2 services$"},
		{func() { n.Reloading("reloads") }, "^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*\nSTATUS=reloads$"},
		{func() { n.Stopping("drains") }, "^STOPPING=1\nSTATUS=drains$"},
		{func() { n.Status("waits") }, "^STATUS=waits$"},
		{func() { n.MainPID(4711) }, "^MAINPID=4711$"},
	} {
		c.send()
		if got := m.read(t); !regexp.MustCompile(c.want).MatchString(got) {
			t.Errorf("sent %q, want %s", got, c.want)
		}
	}
	for _, key := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if value, ok := os.LookupEnv(key); ok {
			t.Errorf("%s=%s is left for the nodes", key, value)
		}
	}
	if env := n.Environment(); len(env) != 1 || !strings.HasPrefix(env[0], "NOTIFY_SOCKET=/") {
		t.Errorf("a successor gets %v", env)
	}
}

func TestSignsOfLifeStopWhileNotHealthy(t *testing.T) {
	m := listen(t, "20000")
	n := fromEnvironment(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	asked := make(chan bool)
	answers := make(chan bool)
	done := make(chan struct{})
	go func() {
		n.Watch(ctx, func(context.Context) bool { asked <- true; return <-answers })
		close(done)
	}()
	for _, healthy := range []bool{true, false, true} {
		<-asked
		answers <- healthy
		if healthy {
			if got := m.read(t); got != "WATCHDOG=1" {
				t.Errorf("sent %q", got)
			}
		}
	}
	<-asked // nothing more was sent for the second answer
	m.conn.SetReadDeadline(time.Now())
	if n, err := m.conn.Read(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes while not healthy", n)
	}
	cancel()
	answers <- true
	<-done
}

func TestWithoutAServiceManagerNothingIsSent(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	n := fromEnvironment(t)
	n.Ready("serves")
	n.Watch(t.Context(), func(context.Context) bool { t.Error("asked"); return true })
	if n != nil || n.Environment() != nil {
		t.Errorf("notifier %v", n)
	}
}

func TestWatchdogOfAnotherProcessIsIgnored(t *testing.T) {
	listen(t, "1000000")
	t.Setenv("WATCHDOG_PID", "1")
	if n := fromEnvironment(t); n.watchdog != 0 {
		t.Errorf("watchdog %v", n.watchdog)
	}
	t.Setenv("NOTIFY_SOCKET", "@abstract")
	t.Setenv("WATCHDOG_USEC", "1000000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	if n := fromEnvironment(t); n.watchdog != time.Second {
		t.Errorf("watchdog %v, want 1s", n.watchdog)
	}
}

func TestMalformedVariablesAreErrors(t *testing.T) {
	for socket, usec := range map[string]string{"relative": "", "vsock:1:2": "", "/run/x": "soon", "/run/y": "-1", "/run/z": "99999999999999999999"} {
		t.Setenv("NOTIFY_SOCKET", socket)
		t.Setenv("WATCHDOG_USEC", usec)
		if _, err := FromEnvironment(); err == nil {
			t.Errorf("NOTIFY_SOCKET=%s WATCHDOG_USEC=%s: no error", socket, usec)
		}
	}
}
