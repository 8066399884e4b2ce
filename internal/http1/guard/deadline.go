package guard

import (
	"net"
	"sync"
	"time"
)

// headDeadline joins the read deadline that the server asks for with the one of an incomplete head: the earlier counts.
type headDeadline struct {
	mu    sync.Mutex
	asked time.Time // by the server; zero: none
	head  time.Time // zero: no head is incomplete
}

func (d *headDeadline) set(nc net.Conn, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = t
	return d.apply(nc)
}

// begin starts the time of a head, unless it runs already.
func (d *headDeadline) begin(nc net.Conn, limit time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.head.IsZero() {
		d.head = time.Now().Add(limit)
		d.apply(nc)
	}
}

// end stops it.
func (d *headDeadline) end(nc net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.head.IsZero() {
		d.head = time.Time{}
		d.apply(nc)
	}
}

// passed reports whether it is the head's deadline that a read has run into.
func (d *headDeadline) passed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.headCounts() && !time.Now().Before(d.head)
}

func (d *headDeadline) headCounts() bool {
	return !d.head.IsZero() && (d.asked.IsZero() || d.head.Before(d.asked))
}

func (d *headDeadline) apply(nc net.Conn) error {
	if d.headCounts() {
		return nc.SetReadDeadline(d.head)
	}
	return nc.SetReadDeadline(d.asked)
}
