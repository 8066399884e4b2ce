package usertext

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

const (
	// writerPatience is how long a pipe may have no writer: some programs begin to write when it is opened for reading.
	writerPatience = 5 * time.Second
	// pipePatience is how long the writer of a pipe may take.
	pipePatience = time.Minute
)

// Open opens a file for reading. It does not wait for a writer of a named pipe, and the pipe cannot be read for ever: a reload
// must end, whatever the file is.
func Open(name string) (io.ReadCloser, error) { return open(name, writerPatience, pipePatience) }

func open(name string, forWriter, whole time.Duration) (io.ReadCloser, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		if err = f.SetReadDeadline(time.Now().Add(whole)); err == nil {
			return &pipe{file: f, patience: forWriter, opened: time.Now()}, nil
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// pipe is a named pipe. Without a writer, the system reports the end of the file.
type pipe struct {
	file     *os.File
	patience time.Duration
	opened   time.Time
	written  bool // something was read
}

func (p *pipe) Read(b []byte) (int, error) {
	for {
		n, err := p.file.Read(b)
		p.written = p.written || n > 0
		switch {
		case p.written || err != io.EOF:
			return n, err
		case time.Since(p.opened) > p.patience:
			return 0, &os.PathError{Op: "read", Path: p.file.Name(), Err: fmt.Errorf("no program has written to this pipe for %v", p.patience)}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (p *pipe) Close() error { return p.file.Close() }
