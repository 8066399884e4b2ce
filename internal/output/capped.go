package output

import (
	"fmt"
	"os"
	"sync"
)

// CappedFile is a log file of limited size. A write that would make it larger renames it to its name with ".1", which
// replaces an older one, and continues in a new file. Its methods are safe for concurrent use.
type CappedFile struct {
	path   string
	limit  int64
	opened func(*os.File) error

	mu   sync.Mutex
	file *os.File
	size int64
}

// OpenCapped opens the file at path, which only its owner can read, to append to it. opened is called with each file that
// is opened, before something is written to it; nil for no call.
func OpenCapped(path string, limit int64, opened func(*os.File) error) (*CappedFile, error) {
	c := &CappedFile{path: path, limit: limit, opened: opened}
	if err := c.open(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *CappedFile) open() error {
	file, err := os.OpenFile(c.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && c.opened != nil {
		err = c.opened(file)
	}
	if err != nil {
		file.Close()
		return err
	}
	if c.file != nil {
		c.file.Close()
	}
	c.file, c.size = file, info.Size()
	return nil
}

// Write appends p. When the file cannot be renamed, Write continues in it and tries again after another limit of bytes.
func (c *CappedFile) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.size > 0 && c.size+int64(len(p)) > c.limit {
		err := os.Rename(c.path, c.path+".1")
		if err == nil {
			err = c.open()
		}
		if err != nil {
			c.size = 0
			fmt.Fprintf(c.file, "tenfold: log file not rotated: %v\n", err)
		}
	}
	n, err := c.file.Write(p)
	c.size += int64(n)
	return n, err
}
