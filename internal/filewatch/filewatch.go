// Package filewatch tells when files change.
//
// It looks at the files again and again instead of asking the operating system for events. So it works on every file
// system, and for files that editors and deployments replace by renaming or by a link.
package filewatch

import (
	"context"
	"io/fs"
	"os"
	"time"
)

// interval is the time between two looks. A change is reported when the files were the same for two looks: an editor or a
// copy may write a file in several steps.
const interval = 200 * time.Millisecond

// Watcher compares files with what they were.
type Watcher struct {
	files    func() []string
	reported states // at the last change that was reported
}

// New returns a Watcher of files, which is called before each look. A list with other names than at the last look is no
// change. New looks at the files once, so that no change after it is missed.
func New(files func() []string) *Watcher { return &Watcher{files, look(files())} }

// Run calls changed when one of the files has changed, begun or ceased to exist, until ctx ends.
func (w *Watcher) Run(ctx context.Context, changed func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	last := w.reported
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := look(w.files())
		settled := now.equal(last)
		last = now
		if settled && !now.equal(w.reported) {
			w.reported = now
			changed()
			continue
		}
		w.reported.learn(now)
	}
}

// states are the files at one look, by name; nil for a file that does not exist or cannot be read.
type states map[string]fs.FileInfo

func look(files []string) states {
	all := make(states, len(files))
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			info = nil
		}
		all[name] = info
	}
	return all
}

// equal reports whether the files that both know are the same.
func (s states) equal(o states) bool {
	for name, a := range s {
		if b, ok := o[name]; ok && !same(a, b) {
			return false
		}
	}
	return true
}

// learn adds files that s does not know, and forgets those that are not in now.
func (s states) learn(now states) {
	for name, info := range now {
		if _, known := s[name]; !known {
			s[name] = info
		}
	}
	for name := range s {
		if _, named := now[name]; !named {
			delete(s, name)
		}
	}
}

func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()
}
