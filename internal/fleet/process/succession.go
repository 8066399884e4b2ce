package process

import (
	"os"

	"github.com/tenfold-go/tenfold/internal/fdlink"
)

// How the nodes of a reaper change their tenfold:
//
//	old -> reaper   offer     the socket of the successor
//	new -> reaper   adopt
//	reaper -> new   held ...  each node, with its outputs
//	                hello     there are no more
//	old -> reaper   release   from now on the reaper lives as long as the new one
//	reaper -> new   owner
//	reaper -> old   released
//
// Until release, the old one is the owner: when the new one ends, nothing has changed.

// offer makes a link of a successor.
func (r *reaper) offer(socket *os.File) {
	l, err := fdlink.New(socket)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.successor != nil {
		r.successor.Close()
	}
	r.successor = l
	go r.read(l)
}

// show sends all nodes to a successor.
func (r *reaper) show(l *fdlink.Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, h := range r.nodes {
		l.Send(message{Verb: verbHeld, ID: id, PID: h.process.Pid, Exit: h.exit}, h.outputs[:]...)
	}
	l.Send(message{Verb: verbHello})
}

// release makes the successor the owner.
func (r *reaper) release(old *fdlink.Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.successor == nil || r.successor.Send(message{Verb: verbOwner}) != nil {
		old.Send(message{Verb: verbReleased, Error: "the successor has ended"})
		return
	}
	r.owner, r.successor = r.successor, nil
	for id, h := range r.nodes {
		if h.exit != nil {
			r.owner.Send(message{Verb: verbEnded, ID: id, Exit: h.exit})
		}
	}
	old.Send(message{Verb: verbReleased})
}
