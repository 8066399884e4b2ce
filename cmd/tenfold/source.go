package main

import (
	"fmt"
	"os"
	"sync"

	"github.com/tenfold-go/tenfold/internal/config"
)

// source is the file of a running tenfold, which a reload reads again.
type source struct {
	cmd  upCmd
	read func() (*config.File, error) // without the flags

	mu    sync.Mutex
	files []string // those that the last form of it named, itself included
}

// source returns the file to read again, or nil when there is none: a command line, or standard input.
func (cmd upCmd) source() *source {
	if len(cmd.Command) > 0 || cmd.File == "-" {
		return nil
	}
	file, read := cmd.file(), config.LoadFile // a file that is made later does not replace it
	if cmd.File == "" {
		read = loadRecorded
	}
	return &source{cmd: cmd, files: []string{file}, read: func() (*config.File, error) {
		if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is not a regular file: it cannot be read again", file) // a pipe would wait for a writer
		}
		return read(file)
	}}
}

// load reads the file, with everything that wins over it.
func (s *source) load() (*config.File, error) {
	f, err := s.read()
	s.mu.Lock()
	if f != nil {
		s.files = f.Files
	}
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return f, s.cmd.override(f.Config)
}

// named returns the file and the files that it names.
func (s *source) named() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files
}
