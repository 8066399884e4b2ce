package guard

import (
	"net"
	"sync"
	"time"
)

// headDeadline combines two read deadlines: the server's, and that of an incomplete head. The earlier one applies.
type headDeadline struct {
	mu     sync.Mutex
	server time.Time // set by the server; zero: none
	head   time.Time // zero: no head is incomplete
}

// set sets the server's deadline.
func (d *headDeadline) set(nc net.Conn, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.server = t
	return d.apply(nc)
}

// begin starts the time limit of a head, unless it runs already.
func (d *headDeadline) begin(nc net.Conn, limit time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.head.IsZero() {
		d.head = time.Now().Add(limit)
		d.apply(nc)
	}
}

// end stops the time limit of a head.
func (d *headDeadline) end(nc net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.head.IsZero() {
		d.head = time.Time{}
		d.apply(nc)
	}
}

// passed reports whether the deadline of a head applies and is over.
func (d *headDeadline) passed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.headApplies() && !time.Now().Before(d.head)
}

// serverPassed reports whether the server's deadline is over.
func (d *headDeadline) serverPassed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.server.IsZero() && !time.Now().Before(d.server)
}

func (d *headDeadline) headApplies() bool {
	return !d.head.IsZero() && (d.server.IsZero() || d.head.Before(d.server))
}

func (d *headDeadline) apply(nc net.Conn) error {
	if d.headApplies() {
		return nc.SetReadDeadline(d.head)
	}
	return nc.SetReadDeadline(d.server)
}
