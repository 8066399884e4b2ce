package process

import (
	"net"
	"testing"
)

func TestFreePortIsNotTaken(t *testing.T) {
	given := map[int]bool{}
	for range 100 {
		port, err := freePort(func(port int) bool { return given[port] })
		if err != nil {
			t.Fatal(err)
		}
		if given[port] || port < firstPort || port > lastPort {
			t.Errorf("port %d", port)
		}
		given[port] = true
	}
	if port, err := freePort(func(int) bool { return true }); err == nil {
		t.Errorf("found port %d, but all are taken", port)
	}
}

func TestPortInUseIsNotFree(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if free(l.Addr().(*net.TCPAddr).Port) {
		t.Error("a port with a listener counts as free")
	}
}
