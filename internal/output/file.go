package output

import (
	"os"
	"sync"
	"syscall"
)

// File is a log file. After a program such as logrotate has renamed it, Reopen continues in a new file with the old
// name. Its methods are safe for concurrent use.
type File struct {
	path string

	mu   sync.Mutex
	file *os.File
}

// OpenFile opens the file at path, to append to it. A file that does not exist is created; its group can read it.
func OpenFile(path string) (*File, error) {
	file, err := openAppend(path)
	if err != nil {
		return nil, err
	}
	return &File{path: path, file: file}, nil
}

// openAppend does not wait for the reader of a named pipe: without a reader, it fails.
func openAppend(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, 0o640)
}

// Write appends p. It may block, like every write to a file.
func (f *File) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Write(p)
}

// Reopen opens the path again and closes the old file. After an error it continues with the old file.
func (f *File) Reopen() error {
	file, err := openAppend(f.path)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	err = f.file.Close()
	f.file = file
	return err
}

// Close closes the file.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Close()
}
