package upstream

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tenfold-go/tenfold/internal/node"
)

// inOwnProcess runs the test once more in a process with these attributes. There, it returns true and the text.
func inOwnProcess(t *testing.T, attributes *syscall.SysProcAttr, text string) (here string, own bool) {
	t.Helper()
	if text, ok := os.LookupEnv("TENFOLD_OWN_PROCESS"); ok {
		return text, true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "TENFOLD_OWN_PROCESS="+text)
	cmd.SysProcAttr = attributes
	out, err := cmd.CombinedOutput()
	switch said := string(out); {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOSYS):
		t.Skipf("NOT TESTED: this user may not make a network namespace: %v", err)
	case strings.Contains(said, "--- SKIP"):
		t.Skip(said)
	case err != nil, !strings.Contains(said, "--- PASS: "+t.Name()):
		t.Fatalf("%v\n%s", err, said)
	}
	return "", false
}

// All ephemeral ports are in use. Requests that need a new connection fail with a shortage, and the nodes stay ready, also
// when they are probed. When the ports are free, requests work at once.
func TestNoEphemeralPorts(t *testing.T) {
	attributes := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Geteuid() != 0 {
		attributes.Cloneflags |= syscall.CLONE_NEWUSER
		attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	if _, own := inOwnProcess(t, attributes, ""); !own {
		return
	}
	loopbackUp(t)
	const ports = "/proc/sys/net/ipv4/ip_local_port_range"
	p := newPool(t, shortageService, serve(t, holds), serve(t, holds))
	if err := os.WriteFile(ports, []byte("40000 40005"), 0); err != nil {
		t.Skipf("NOT TESTED: cannot limit the ports: %v", err)
	}

	release := holdUntilShort(t, p)
	checkShortage(t, p, "ports")
	release()
	if err := os.WriteFile(ports, []byte("41000 60000"), 0); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if status, _, err := send(t.Context(), p, "POST", "x"); status != 200 || err != nil {
			t.Fatalf("after the shortage: %d %v", status, err)
		}
	}
}

// loopbackUp switches the loopback interface of a new network namespace on.
func loopbackUp(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		t.Fatalf("switch the loopback interface on: %v", err)
	}
}

// holdUntilShort sends requests that hold their connections until one fails with a shortage.
func holdUntilShort(t *testing.T, p *Pool) (release func()) {
	t.Helper()
	var held []io.Closer
	release = func() {
		for _, body := range held {
			body.Close()
		}
	}
	for range 1000 {
		req, _ := http.NewRequest("GET", "http://shop.example/hold", nil)
		resp, err := p.RoundTrip(req)
		if short := (*ShortageError)(nil); errors.As(err, &short) {
			return release
		}
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, resp.Body)
	}
	t.Fatal("there is no shortage")
	return release
}

// checkShortage checks what a shortage does to requests and nodes while several probes run.
func checkShortage(t *testing.T, p *Pool, resource string) {
	t.Helper()
	for range 50 {
		_, _, err := send(t.Context(), p, "POST", "x")
		if short := (*ShortageError)(nil); err != nil && (!errors.As(err, &short) || short.Resource != resource) {
			t.Fatalf("%v, want a shortage of %s", err, resource)
		}
		time.Sleep(5 * time.Millisecond)
	}
	for _, n := range p.Nodes() {
		if n.State != node.Ready || n.Ejected || n.Failures > 0 {
			t.Errorf("a node is held responsible: %+v", n)
		}
	}
	if s := p.Breaker().String(); s != "closed" {
		t.Errorf("the breaker is %s", s)
	}
}

// The process has no descriptor left. Requests that need a new connection fail with a shortage, and the nodes stay ready,
// also when they are probed. When there are descriptors, requests work at once.
func TestNoDescriptors(t *testing.T) {
	var nodes []string
	if _, own := os.LookupEnv("TENFOLD_OWN_PROCESS"); !own { // the nodes need descriptors: they stay in this process
		nodes = []string{serve(t, holds), serve(t, holds)}
	}
	text, own := inOwnProcess(t, nil, strings.Join(nodes, " "))
	if !own {
		return
	}
	p := newPool(t, shortageService, strings.Fields(text)...)
	limit := syscall.Rlimit{Cur: 40, Max: 40}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	release := holdUntilShort(t, p)
	checkShortage(t, p, "descriptors")
	release()
	for range 50 {
		if status, _, err := send(t.Context(), p, "POST", "x"); status != 200 || err != nil {
			t.Fatalf("after the shortage: %d %v", status, err)
		}
	}
}

const shortageService = "breaker: {min_requests: 2}\nprobe: {interval: 50ms, fall: 1}"

// holds answers /hold without an end.
func holds(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/hold" {
		w.WriteHeader(200)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}
