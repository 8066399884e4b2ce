// Package filewatch tells when files change.
//
// It looks at the files again and again instead of asking the operating system for events. So it works on every file
// system, and for files that editors and deployments replace by renaming or by a link.
package filewatch

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"time"
)

// interval is the time between two looks. A change is reported when the files were the same for two looks: an editor or a
// copy may write a file in several steps.
const interval = 200 * time.Millisecond

// Watcher compares files with what they were.
type Watcher struct {
	files    func() []string
	reported States // at the last change that was reported
}

// New returns a Watcher of files, which is called before each look. A list with other names than at the last look is no
// change. New looks at the files once, so that no change after it is missed.
func New(files func() []string) *Watcher { return &Watcher{files, Look(files()...)} }

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
		now := Look(w.files()...)
		settled := now.equal(last)
		last = now
		if settled && !now.equal(w.reported) {
			w.reported = now
			changed()
			continue
		}
		w.reported.take(now)
	}
}

// States are the files at one look, by name; nil for a file that does not exist or cannot be read.
type States map[string]fs.FileInfo

// Look returns the states of files. It follows links, so that a link to another file is a change.
func Look(files ...string) States {
	all := make(States, len(files))
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			info = nil
		}
		all[name] = info
	}
	return all
}

// Equal reports whether s and o have the same names, and no file has changed between them.
func (s States) Equal(o States) bool { return maps.EqualFunc(s, o, same) }

// equal reports whether the files that both have are the same.
func (s States) equal(o States) bool {
	for name, a := range s {
		if b, ok := o[name]; ok && !same(a, b) {
			return false
		}
	}
	return true
}

// take adds the files that only now has, and removes those that now does not have.
func (s States) take(now States) {
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
