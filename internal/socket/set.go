// Package socket holds the listening sockets of a tenfold. A socket is opened here, or inherited: from systemd, or from a
// tenfold that this one succeeds. It can be handed to a successor without a moment in which it is closed.
package socket

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
)

// Inherited is a listening socket from another process.
type Inherited struct {
	// Address is the address as the configuration of the other process has it; "" from systemd.
	Address string
	// Name is what systemd calls the socket. From a predecessor it is AdminName or "".
	Name string
	File *os.File
}

// Set has the listening sockets of one process. Its methods may be called concurrently.
type Set struct {
	accepting chan struct{} // closed when connections are accepted
	startOnce sync.Once

	mu        sync.Mutex
	inherited []*candidate // those that were not used yet
	open      []*listener
	released  bool
}

// candidate is an inherited socket.
type candidate struct {
	Inherited
	net.Listener
}

// NewSet makes a set with inherited sockets, and closes their files. It accepts no connection before Start. It fails when
// a file is not a listening TCP socket.
func NewSet(inherited []Inherited) (*Set, error) {
	s := &Set{accepting: make(chan struct{})}
	for i, in := range inherited {
		l, err := net.FileListener(in.File) // it has an own descriptor
		if _, tcp := l.(*net.TCPListener); err == nil && !tcp {
			l.Close()
			err = errors.New("not a TCP socket")
		}
		if err != nil {
			s.CloseUnused()
			for _, rest := range inherited[i:] {
				rest.File.Close()
			}
			return nil, fmt.Errorf("inherited socket %s: %w", in.describe(i), err)
		}
		in.File.Close()
		s.inherited = append(s.inherited, &candidate{in, l})
	}
	return s, nil
}

// describe names an inherited socket for an error.
func (in Inherited) describe(i int) string {
	switch {
	case in.Address != "":
		return in.Address
	case in.Name != "":
		return in.Name
	}
	return fmt.Sprint("number ", i+1)
}

// Start accepts connections on all listeners. Before it they wait in the kernel.
func (s *Set) Start() { s.startOnce.Do(func() { close(s.accepting) }) }

// AdminName is the name of the socket that systemd passes for the admin address. All others are for the gateway.
const AdminName = "admin"

// Listen returns a listener of a TCP address: an inherited one, or else a new one. Of the inherited ones it prefers
// the same address as it was configured, then the same port.
func (s *Set) Listen(address string) (net.Listener, error) {
	return s.listen(address, "")
}

// ListenAdmin is Listen for the admin address.
func (s *Set) ListenAdmin(address string) (net.Listener, error) { return s.listen(address, AdminName) }

func (s *Set) listen(address, name string) (net.Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	inner := s.take(address, name == AdminName)
	if inner == nil {
		var err error
		if inner, err = net.Listen("tcp", address); err != nil {
			return nil, err
		}
	}
	l := &listener{Listener: inner, set: s, address: address, name: name, closed: make(chan struct{})}
	s.open = append(s.open, l)
	return l, nil
}

// take removes the inherited listener that suits best. It returns nil when none does. The lock is held.
func (s *Set) take(address string, admin bool) net.Listener {
	for _, fits := range []func(*candidate) bool{
		func(c *candidate) bool { return c.Address == address },
		func(c *candidate) bool { return samePort(c.Addr(), address) },
		func(c *candidate) bool { return c.Address == "" || admin }, // from systemd: its unit decides about the address
	} {
		for i, c := range s.inherited {
			if (c.Name == AdminName) == admin && fits(c) {
				s.inherited = slices.Delete(s.inherited, i, i+1)
				return c.Listener
			}
		}
	}
	return nil
}

// samePort reports whether a listener would be in the way of a new one at the address.
func samePort(a net.Addr, address string) bool {
	want, err := net.ResolveTCPAddr("tcp", address)
	have, ok := a.(*net.TCPAddr)
	if err != nil || !ok || want.Port != have.Port || want.Port == 0 {
		return false
	}
	return len(want.IP) == 0 || want.IP.IsUnspecified() || have.IP.IsUnspecified() || want.IP.Equal(have.IP)
}

// CloseUnused closes the inherited sockets that no Listen has taken, and returns their addresses.
func (s *Set) CloseUnused() (addresses []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.inherited {
		addresses = append(addresses, c.Addr().String())
		c.Close()
	}
	s.inherited = nil
	return addresses
}

// Files returns the open listeners for a successor. The caller closes the files.
func (s *Set) Files() (all []Inherited, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.open {
		file, err := l.Listener.(*net.TCPListener).File()
		if err != nil {
			for _, in := range all {
				in.File.Close()
			}
			return nil, fmt.Errorf("duplicate listener %s: %w", l.address, err)
		}
		all = append(all, Inherited{Address: l.address, Name: l.name, File: file})
	}
	return all, nil
}

// Release ends the acceptance of connections for good, because a successor accepts them. Accept of a released listener
// waits until Close: for its server, it looks as if no connection came.
func (s *Set) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.released = true
	for _, l := range s.open {
		l.Listener.Close()
	}
}

// listener is a listener of the set.
type listener struct {
	net.Listener
	set       *Set
	address   string
	name      string // AdminName, or ""
	closed    chan struct{}
	closeOnce sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.set.accepting:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil && l.set.isReleased() {
		<-l.closed
		return nil, net.ErrClosed
	}
	return c, err
}

func (s *Set) isReleased() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.released
}

// Close closes the listener. When it was released, the successor has its socket still.
func (l *listener) Close() error {
	err := l.Listener.Close()
	l.closeOnce.Do(func() {
		close(l.closed)
		l.set.forget(l)
	})
	if errors.Is(err, net.ErrClosed) && l.set.isReleased() {
		return nil
	}
	return err
}

func (s *Set) forget(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = slices.DeleteFunc(s.open, func(other *listener) bool { return other == l })
}
