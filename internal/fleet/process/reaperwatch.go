package process

import "fmt"

// ensureParent starts the parent of the next node unless there is one. Where a reaper works, it is the reaper. The lock
// of the driver is held.
func (d *Driver) ensureParent() error {
	if !reaperWorks || len(d.opts.Reaper) == 0 {
		if d.parent == nil {
			d.parent = newLocal(d.nodeEnded)
		}
		return nil
	}
	if r, ok := d.parent.(*remote); ok {
		if !r.closed() {
			return nil
		}
		if !r.owns() {
			return errReaperEnded // the handover to this tenfold has failed
		}
		select {
		case <-d.swept:
		default:
			return errReaperEnded // just now: what it has left is being killed, by the tag that new nodes have, too
		}
	}
	r, err := startReaper(d.opts.Reaper, d.tag, d.nodeEnded)
	if err != nil {
		return err
	}
	d.parent, d.swept = r, make(chan struct{})
	d.wg.Go(func() { d.watchReaper(r, d.swept) })
	return nil
}

// awaitSweep waits until nothing is left of a reaper that has ended.
func (d *Driver) awaitSweep() {
	d.mu.Lock()
	r, ok := d.parent.(*remote)
	swept := d.swept
	d.mu.Unlock()
	if ok && r.closed() {
		<-swept
	}
}

// watchReaper reports the end of all nodes when the reaper ends unasked: the kernel has killed their first processes. It
// kills what they have started. Then the fleet replaces the nodes, and the next start starts another reaper.
func (d *Driver) watchReaper(r *remote, swept chan struct{}) {
	defer close(swept)
	<-r.gone
	if r.closing.Load() || !r.owns() {
		return
	}
	d.mu.Lock()
	nodes := map[*instance]bool{}
	groups := map[int]bool{}
	for _, i := range d.instances {
		nodes[i], groups[i.pid] = true, true
	}
	d.mu.Unlock()
	d.log.Error("the reaper, which starts the nodes, has ended unasked: all nodes end with it and are replaced",
		"pid", r.pid, "nodes", len(nodes))
	left := ""
	if err := sweep(d.tag, groups, sweepPatience); err != nil {
		left = err.Error()
	}
	for i := range nodes {
		i.report(exit{Reason: fmt.Sprintf("killed because its parent, the reaper process %d, has ended", r.pid), Left: left})
	}
}
