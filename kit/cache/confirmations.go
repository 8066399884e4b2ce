package cache

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// message is an invalidation on its way.
type message struct {
	object object
	writer string // whom to answer; empty: nobody listens
	id     string
}

func (m message) String() string {
	return string(m.object.kind) + "|" + m.writer + "|" + m.id + "|" + m.object.name
}

func parseMessage(text string) (m message, ok bool) {
	parts := strings.SplitN(text, "|", 4)
	if len(parts) != 4 || parts[0] != "k" && parts[0] != "t" {
		return m, false
	}
	return message{object: object{parts[0][0], parts[3]}, writer: parts[1], id: parts[2]}, true
}

// confirmation is one name's invalidation that waits for answers.
type confirmation struct {
	object  object
	id      string
	answers map[string]bool // guarded by confirmations.mu: by node
}

// confirmations are those of this process.
type confirmations struct {
	mu     sync.Mutex
	last   uint64
	byID   map[string]*confirmation
	change chan struct{} // closed and replaced at each answer
}

func (w *confirmations) open(objects []object) []*confirmation {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byID == nil {
		w.byID, w.change = map[string]*confirmation{}, make(chan struct{})
	}
	all := make([]*confirmation, len(objects))
	for i, o := range objects {
		w.last++
		all[i] = &confirmation{object: o, id: strconv.FormatUint(w.last, 36), answers: map[string]bool{}}
		w.byID[all[i].id] = all[i]
	}
	return all
}

func (w *confirmations) close(all []*confirmation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range all {
		delete(w.byID, p.id)
	}
}

// answered takes "node id id ...".
func (w *confirmations) answered(text string) {
	words := strings.Fields(text)
	if len(words) < 2 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range words[1:] {
		if p := w.byID[id]; p != nil {
			p.answers[words[0]] = true
		}
	}
	if w.change != nil {
		close(w.change)
		w.change = make(chan struct{})
	}
}

// settle counts nodes as heard whose lease has been waited out.
func (w *confirmations) settle(all []*confirmation, nodes []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range all {
		for _, node := range nodes {
			p.answers[node] = true
		}
	}
}

func (w *confirmations) heard(all []*confirmation, node string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range all {
		if !p.answers[node] {
			return false
		}
	}
	return true
}

// await tells whether all nodes have answered before the time is over.
func (w *confirmations) await(ctx context.Context, all []*confirmation, nodes []string, d time.Duration) bool {
	over := time.After(d)
	for {
		w.mu.Lock()
		change := w.change
		w.mu.Unlock()
		missing := slices.ContainsFunc(nodes, func(node string) bool { return !w.heard(all, node) })
		if !missing {
			return true
		}
		select {
		case <-change:
		case <-over:
			return false
		case <-ctx.Done():
			return false
		}
	}
}
