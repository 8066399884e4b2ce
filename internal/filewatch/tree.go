package filewatch

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	maxTree   = 50_000 // files; more are no sources, and each look would take too long
	treeShare = 20     // a look takes at most this part of the time: 5 %
)

// Tree compares the files below some paths with what they were. It leaves out what editors, version control and tools
// write: see ignored.
type Tree struct {
	paths    []string
	reported States // at the last change that was reported
}

// NewTree returns a Tree of paths, which are files or directories. It fails when one of them does not exist, and when
// there are more than 50,000 files below them.
func NewTree(paths []string) (*Tree, error) {
	t := &Tree{}
	for _, path := range paths {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return nil, err
		}
		t.paths = append(t.paths, real)
	}
	var err error
	if t.reported, err = t.look(); err != nil {
		return nil, err
	}
	return t, nil
}

// Run calls changed with a file that has changed, begun or ceased to exist, until ctx ends. Changes in a short time are
// one. The next change is looked for after changed has returned.
func (t *Tree) Run(ctx context.Context, changed func(file string)) {
	last := t.reported
	pause := interval
	for {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		begun := time.Now()
		now, err := t.look()
		pause = max(interval, treeShare*time.Since(begun))
		if err != nil {
			continue // too many files for a moment, as during a build
		}
		settled := difference(last, now) == ""
		last = now
		if file := difference(t.reported, now); settled && file != "" {
			t.reported = now
			changed(file)
		}
	}
}

// look returns the files below the paths.
func (t *Tree) look() (States, error) {
	all := States{}
	for _, root := range t.paths {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return nil // it has just ceased to exist, or cannot be read
			case path != root && ignored(d):
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			case d.IsDir():
				return nil
			}
			if info, err := os.Stat(path); err == nil && !info.IsDir() { // of a link, what it leads to
				all[path] = info
			}
			if len(all) > maxTree {
				return fmt.Errorf("there are more than %d files below %s", maxTree, root)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// difference returns the first file that differs, or "".
func difference(a, b States) string {
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if before, known := a[name]; !known || !same(before, b[name]) {
			return name
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if _, known := b[name]; !known {
			return name
		}
	}
	return ""
}

// ignoredDirs have files that no person writes. All directories whose name begins with a dot are ignored, too.
var ignoredDirs = []string{"node_modules", "bower_components", "__pycache__", "venv"}

// ignored reports whether an entry of a directory is left out.
func ignored(d fs.DirEntry) bool {
	name := d.Name()
	if d.IsDir() {
		return strings.HasPrefix(name, ".") || slices.Contains(ignoredDirs, name)
	}
	switch {
	case !d.Type().IsRegular() && d.Type()&fs.ModeSymlink == 0: // a socket or a pipe
		return true
	case strings.HasSuffix(name, "~"), strings.HasPrefix(name, ".#"), strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#"):
		return true // backups and locks of editors
	case name == ".DS_Store", name == "4913": // macOS; vim tries with it whether it can write
		return true
	}
	switch filepath.Ext(name) {
	case ".swp", ".swo", ".swx", ".pyc", ".pyo", ".tmp", ".log":
		return true
	}
	return false
}
