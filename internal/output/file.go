package output

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// FileOptions say when a File is rotated. The zero value means never.
type FileOptions struct {
	Size int64 // a write that would make the file larger rotates it first
	Keep int   // how many old files are kept: the name with ".1" is the newest; 0 for none
}

// File is a log file. After a program such as logrotate has renamed it, Reopen continues in a new file with the old
// name. A file of a limited size renames itself. Its methods are safe for concurrent use.
type File struct {
	path string
	opts FileOptions

	mu      sync.Mutex
	file    *os.File
	size    int64 // of the file
	retryAt int64 // the size for the next try after a rotation has failed
}

// OpenFile opens the file at path, to append to it. A file that does not exist is created; its group can read it.
func OpenFile(path string, o *FileOptions) (*File, error) {
	f := &File{path: path}
	if o != nil {
		f.opts = *o
	}
	file, err := openAppend(path)
	if err != nil {
		return nil, err
	}
	f.use(file)
	return f, nil
}

// openAppend does not wait for the reader of a named pipe: without a reader, it fails.
func openAppend(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, 0o640)
}

// use makes file the current one. A pipe or a device is never rotated. The lock is held, or f is new.
func (f *File) use(file *os.File) {
	f.file, f.size, f.retryAt = file, -1, 0
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		f.size = info.Size()
	}
}

// Write appends p. It may block, like every write to a file.
func (f *File) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.opts.Size > 0 && f.size > 0 && f.size+int64(len(p)) > cmp.Or(f.retryAt, f.opts.Size) {
		if err := f.rotate(); err != nil {
			f.retryAt = f.size + f.opts.Size // continue in the old file
		}
	}
	n, err := f.file.Write(p)
	if f.size >= 0 {
		f.size += int64(n)
	}
	return n, err
}

// rotate renames the file and continues in a new one. If another program or another tenfold has renamed it, rotate only
// opens the new one. The lock is held.
func (f *File) rotate() error {
	if f.isCurrent() {
		if err := f.shift(); err != nil {
			return err
		}
	}
	file, err := openAppend(f.path)
	if err != nil {
		return err
	}
	f.file.Close() // its records were written
	f.use(file)
	return nil
}

// isCurrent reports whether the open file is the one with the name.
func (f *File) isCurrent() bool {
	named, err := os.Stat(f.path)
	open, errOpen := f.file.Stat()
	return err == nil && errOpen == nil && os.SameFile(named, open)
}

// shift gives each old file the next number, and the current one the first. The oldest is replaced.
func (f *File) shift() error {
	if f.opts.Keep == 0 {
		return os.Remove(f.path)
	}
	for n := f.opts.Keep - 1; n >= 1; n-- {
		if err := os.Rename(f.old(n), f.old(n+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Rename(f.path, f.old(1))
}

func (f *File) old(n int) string { return f.path + "." + strconv.Itoa(n) }

// Reopen opens the path again and closes the old file. After an error it continues with the old file.
func (f *File) Reopen() error {
	f.mu.Lock()
	defer f.mu.Unlock() // also while it opens: a rotation in between would rename the new file
	file, err := openAppend(f.path)
	if err != nil {
		return err
	}
	err = f.file.Close()
	f.use(file)
	return err
}

// Close closes the file.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Close()
}
