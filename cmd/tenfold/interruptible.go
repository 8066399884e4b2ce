package main

import (
	"errors"
	"io"
	"slices"
	"time"
)

// interruptPatience is how long a write may take after the first signal.
const interruptPatience = time.Second

var errInterrupted = errors.New("interrupted")

// interruptibleWriter is an output of a verb that ends when its work is done. Such a verb waits for a slow reader, but the
// first Ctrl-C ends it even if its output is not read at all.
type interruptibleWriter struct {
	w           io.Writer
	interrupted <-chan struct{}
}

// Write writes p. When a write blocks after an interruption, it fails, and the verb ends.
func (i *interruptibleWriter) Write(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	written := make(chan result, 1)
	data := slices.Clone(p) // a blocked write goes on after Write has returned
	go func() {             // ends with the write, or with the process
		n, err := i.w.Write(data)
		written <- result{n, err}
	}()
	select {
	case r := <-written:
		return r.n, r.err
	case <-i.interrupted:
	}
	select {
	case r := <-written:
		return r.n, r.err
	case <-time.After(interruptPatience):
		return 0, errInterrupted
	}
}

// interruptibleReader is an input that a verb waits for until the first Ctrl-C.
type interruptibleReader struct {
	r           io.Reader
	interrupted <-chan struct{}
}

// Read reads into p. When nothing has come after an interruption, it fails, and the verb ends.
func (i *interruptibleReader) Read(p []byte) (int, error) {
	type result struct {
		data []byte
		err  error
	}
	read := make(chan result, 1)
	go func() { // ends with the read, or with the process
		data := make([]byte, len(p))
		n, err := i.r.Read(data)
		read <- result{data[:n], err}
	}()
	select {
	case r := <-read:
		return copy(p, r.data), r.err
	case <-i.interrupted:
		return 0, errInterrupted
	}
}

// unwrap returns the writer inside an interruptibleWriter, or w itself.
func unwrap(w io.Writer) io.Writer {
	if i, ok := w.(*interruptibleWriter); ok {
		return i.w
	}
	return w
}
