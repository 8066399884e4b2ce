// Package runfile keeps one file per running tenfold of this user, so that another tenfold finds it: a [Record] as JSON.
//
// The files are in tenfold/ of XDG_RUNTIME_DIR, or else in tenfold-UID/ of the directory for temporary files. Both have
// the mode 0700, and the files 0600: they have the token of the admin address.
//
// # Which files are stale
//
// A process holds a lock (flock) on its file until it ends, however it ends. A file without a lock is stale: it is ignored and
// removed. A process id alone would not tell this, because the system gives the number of an ended process to another one.
package runfile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	ending  = ".json"
	maxSize = 1 << 20 // of a file
)

// File is the file of this process. Its methods are safe for concurrent use.
type File struct {
	path string

	mu   sync.Mutex
	lock *os.File // nil after Remove
}

// Publish writes the file of this process. A former process whose work this one continues has the file replaced; 0 stands
// for none. When the directory for it cannot be written, the file is in one for temporary files.
func Publish(r Record, former int) (*File, error) {
	f := &File{}
	err := f.create(home(), r)
	if errors.As(err, new(syscall.Errno)) { // not for a directory that another user could have made
		if f.create(temporary(os.TempDir()), r) == nil {
			err = nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("write runtime file: %w", err)
	}
	if former != 0 && former != r.PID {
		for _, dir := range homes() {
			os.Remove(path(dir, r.Directory, former))
		}
	}
	return f, nil
}

// create writes the file in a directory, which it makes.
func (f *File) create(dir string, r Record) (err error) {
	for range 4 {
		if err = makeHome(dir); err == nil {
			f.path = path(dir, r.Directory, r.PID)
			err = f.write(r)
		}
		if !errors.Is(err, fs.ErrNotExist) { // the last file of another tenfold took the directory with it
			break
		}
	}
	return err
}

// path is the name of the file of a process.
func path(home, directory string, pid int) string {
	sum := sha256.Sum256([]byte(directory))
	return filepath.Join(home, hex.EncodeToString(sum[:8])+"-"+strconv.Itoa(pid)+ending)
}

// Path returns the name of the file.
func (f *File) Path() string { return f.path }

// Update writes another record. After Remove it does nothing. The directory of the project and the process stay the same.
func (f *File) Update(r Record) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lock == nil {
		return nil
	}
	if err := f.write(r); err != nil {
		return fmt.Errorf("write runtime file: %w", err)
	}
	return nil
}

// write replaces the file by a new one that is complete and locked.
func (f *File) write(r Record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(f.path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	err = lock(next, syscall.LOCK_EX)
	if err == nil {
		_, err = next.Write(append(data, '\n'))
	}
	if err == nil {
		err = os.Rename(next.Name(), f.path)
	}
	if err != nil {
		os.Remove(next.Name())
		return errors.Join(err, next.Close())
	}
	if f.lock != nil {
		f.lock.Close()
	}
	f.lock = next
	return nil
}

// Remove removes the file, and its directory when that is empty then. The lock stays until the process ends, for those who
// wait in [Await].
func (f *File) Remove() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lock == nil {
		return nil
	}
	ended = append(ended, f.lock)
	f.lock = nil
	err := os.Remove(f.path)
	if errors.Is(err, fs.ErrNotExist) { // a successor has replaced it
		err = nil
	}
	os.Remove(filepath.Dir(f.path))
	return err
}

// ended keeps the locks of removed files until the process ends: a file that is collected as garbage is closed.
var ended []*os.File

// List returns the records of all running tenfolds of this user, and removes the files of those that have ended.
func List() ([]Record, error) {
	var all []Record
	for _, dir := range homes() {
		if checkPrivate(dir) != nil {
			continue // missing, or another user has made it
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("read runtime files: %w", err)
		}
		for _, e := range entries {
			if r, ok := read(filepath.Join(dir, e.Name())); ok {
				all = append(all, r)
			}
		}
		os.Remove(dir) // it fails while the directory has files
	}
	sort(all)
	return all, nil
}

// read reads one file. It reports false for a file that is not one of a running tenfold, and removes a stale one.
func read(path string) (r Record, ok bool) {
	for range 10 { // a file that is replaced while it is read is read again
		f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
		if err != nil {
			return r, false
		}
		defer f.Close()
		if !locked(f) {
			if same, old := describe(path, f); same {
				if strings.HasSuffix(path, ending) || old {
					os.Remove(path)
				}
				return r, false
			}
			continue
		}
		data, err := io.ReadAll(io.LimitReader(f, maxSize))
		if err != nil || !strings.HasSuffix(path, ending) || json.Unmarshal(data, &r) != nil || r.PID <= 0 || r.Directory == "" {
			return r, false
		}
		r.path = path
		return r, true
	}
	return r, false
}

// describe reports whether path still names the open file f, and whether the file is so old that its writer has ended.
func describe(path string, f *os.File) (same, old bool) {
	opened, err := f.Stat()
	named, errNamed := os.Lstat(path)
	if err != nil || errNamed != nil {
		return false, false
	}
	return os.SameFile(opened, named), time.Since(opened.ModTime()) > time.Minute
}

// locked reports whether another process holds the lock of the file.
func locked(f *os.File) bool { return lock(f, syscall.LOCK_SH|syscall.LOCK_NB) != nil }

func lock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how); err != syscall.EINTR {
			return err
		}
	}
}
