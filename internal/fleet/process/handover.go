package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/tenfold-go/tenfold/internal/fdlink"
	"github.com/tenfold-go/tenfold/internal/fleet"
)

// Handover is what the driver of a successor must know. It is written and read as JSON.
type Handover struct {
	Tag    string       `json:"tag"`
	Reaper int          `json:"reaper"` // its process
	Nodes  []HandedNode `json:"nodes"`
}

// HandedNode is a node that runs during a handover.
type HandedNode struct {
	ID   string `json:"id"`
	PID  int    `json:"pid"`
	Port int    `json:"port,omitempty"`
}

var (
	// ErrNoHandover says that the nodes of a driver cannot be handed over: they are children of this process.
	ErrNoHandover = errors.New("nodes can be handed over on Linux only")

	errReleased = errors.New("a successor has the nodes")
)

// Offer begins a handover. It returns what the successor passes to [Adopt]. Until Resume or Release, no node is started
// or stopped. The file is nil when the driver has not started anything yet.
func (d *Driver) Offer() (h Handover, socket *os.File, err error) {
	d.gate.Lock() // waits for starts that are in progress
	defer func() {
		if err != nil {
			d.gate.Unlock()
		}
	}()
	d.mu.Lock()
	defer d.mu.Unlock()
	h.Tag = d.tag
	if d.closed {
		return h, nil, errClosed
	}
	if d.parent == nil {
		return h, nil, nil
	}
	r, ok := d.parent.(*remote)
	if !ok {
		return h, nil, ErrNoHandover
	}
	h.Reaper = r.pid
	for _, i := range d.instances {
		h.Nodes = append(h.Nodes, HandedNode{ID: i.id, PID: i.pid, Port: i.port})
	}
	ours, theirs, err := fdlink.Pair()
	if err != nil {
		return h, nil, err
	}
	defer ours.Close()
	if err := r.link.Send(message{Verb: verbOffer}, ours); err != nil {
		theirs.Close()
		return h, nil, errReaperEnded
	}
	return h, theirs, nil
}

// Resume ends a handover that has failed: the nodes stay with this driver.
func (d *Driver) Resume() { d.gate.Unlock() }

// Release gives the nodes to the successor. After it this driver does not touch them: Start fails, and Stop does nothing.
// After an error, which has the same effect as Resume, the nodes stay with this driver.
func (d *Driver) Release() error {
	defer d.gate.Unlock()
	d.mu.Lock()
	p := d.parent
	d.mu.Unlock()
	if r, ok := p.(*remote); ok {
		if err := r.release(); err != nil {
			return fmt.Errorf("release nodes: %w", err)
		}
	}
	close(d.released)
	return nil
}

func (d *Driver) hasReleased() bool {
	select {
	case <-d.released:
		return true
	default:
		return false
	}
}

// Adopt makes a driver with the nodes of a predecessor. Until the predecessor has released them, Start and Stop wait, and
// the end of this process has no effect on the nodes. socket may be nil: then there are no nodes. Adopt closes it.
func Adopt(o *Options, h Handover, socket *os.File) (*Driver, error) {
	d, err := New(o)
	if err != nil || socket == nil {
		return d, err
	}
	d.tag = h.Tag
	l, err := fdlink.New(socket)
	if err != nil {
		return nil, fmt.Errorf("adopt nodes: %w", err)
	}
	r := newRemote(l, d.nodeEnded)
	r.pid = h.Reaper
	d.parent, d.swept = r, make(chan struct{})
	if err := d.receiveNodes(l, h.Nodes); err != nil {
		l.Close()
		return nil, fmt.Errorf("adopt nodes: %w", err)
	}
	d.gate.Lock()
	d.wg.Go(func() {
		defer d.gate.Unlock()
		select {
		case <-r.owner:
		case <-r.gone:
		}
	})
	for _, i := range d.instances {
		d.wg.Go(func() { d.followAdopted(r, i) })
	}
	d.wg.Go(func() { d.watchReaper(r, d.swept) })
	go r.read()
	return d, nil
}

// receiveNodes asks the reaper for its nodes.
func (d *Driver) receiveNodes(l *fdlink.Link, known []HandedNode) error {
	l.SetReadDeadline(time.Now().Add(helloPatience))
	defer l.SetReadDeadline(time.Time{})
	if err := l.Send(message{Verb: verbAdopt}); err != nil {
		return err
	}
	for {
		var m message
		files, err := l.Receive(&m)
		switch {
		case err != nil:
			return err
		case m.Verb == verbHello:
			return nil
		case m.Verb != verbHeld || len(files) != 2 || m.Exit != nil:
			fdlink.CloseAll(files)
			continue
		}
		port := 0
		if n := slices.IndexFunc(known, func(n HandedNode) bool { return n.ID == m.ID }); n >= 0 {
			port = known[n].Port
		}
		i := newInstance(d, m.ID, port)
		i.pid, i.outputs, i.adopted = m.PID, outputsOf(files), true
		d.instances[i.id] = i
	}
}

// followAdopted follows a node from the moment in which this driver has it. Before that, its predecessor reads the output.
func (d *Driver) followAdopted(r *remote, i *instance) {
	select {
	case <-r.owner:
		d.follow(i)
	case <-r.gone:
		if r.owns() { // both at once
			d.follow(i)
			return
		}
		i.outputs.close()
	}
}

// StopUnknown stops the nodes that Adopted was not asked for, and returns their ids. It does not wait for their end.
func (d *Driver) StopUnknown() (ids []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, i := range d.instances {
		if i.adopted && !i.known {
			ids = append(ids, id)
			d.wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), killPatience)
				defer cancel()
				i.Stop(ctx)
			})
		}
	}
	return ids
}

// Adopted returns a node of the predecessor, or false when it had ended before Adopt. It is for the time before the
// release.
func (d *Driver) Adopted(id string) (fleet.Instance, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, ok := d.instances[id]
	if !ok {
		return nil, false
	}
	i.known = true
	return i, true
}
