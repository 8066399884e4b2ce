package process

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const (
	lineBytes     = 16 << 10               // a longer line is written in pieces
	tailLines     = 20                     // last lines of a node that are kept for its ExitError
	tailBytes     = 512                    // kept of each of these lines
	queuedLines   = 1024                   // lines of all nodes that wait for the writer
	queuePatience = 100 * time.Millisecond // how long a burst may block a node before lines are dropped
	flushPatience = time.Second            // how long close waits for a writer that blocks
)

// output writes the lines of all nodes to one writer. When the writer is too slow (a pager, a stopped terminal), lines
// are dropped, counted and reported. A slow writer neither blocks the nodes nor uses memory without a limit.
type output struct {
	w       io.Writer
	lines   chan []byte
	dropped atomic.Int64
	flushed chan struct{}
}

func newOutput(w io.Writer) *output {
	if w == nil {
		w = io.Discard
	}
	return &output{w: w, lines: make(chan []byte, queuedLines), flushed: make(chan struct{})}
}

// run writes until close.
func (o *output) run() {
	defer close(o.flushed)
	for line := range o.lines {
		o.reportDropped()
		o.w.Write(line) // an error cannot be shown anywhere: this is the output
	}
	o.reportDropped()
}

func (o *output) reportDropped() {
	if n := o.dropped.Swap(0); n > 0 {
		fmt.Fprintf(o.w, "tenfold | %d lines of output dropped: the reader was too slow\n", n)
	}
}

// put queues a line, or drops it.
func (o *output) put(line []byte) {
	select {
	case o.lines <- line:
		return
	default:
	}
	if o.dropped.Load() == 0 { // the queue has just become full; while lines are dropped, put does not wait
		select {
		case o.lines <- line:
			return
		case <-time.After(queuePatience):
		}
	}
	o.dropped.Add(1)
}

// close writes the queued lines, unless the writer blocks. put must not be called after it.
func (o *output) close() {
	close(o.lines)
	select {
	case <-o.flushed:
	case <-time.After(flushPatience):
	}
}

// tail splits the output of one node into lines, puts its id in front of each one, and keeps the last ones.
type tail struct {
	to     *output
	prefix string
	lines  []string // the last ones, oldest first
}

func newTail(to *output, id string) *tail { return &tail{to: to, prefix: id + " | "} }

// copy reads until the end. It also writes a last line without a line end.
func (t *tail) copy(r io.Reader) {
	buffered := bufio.NewReaderSize(r, lineBytes)
	for cut := false; ; {
		line, err := buffered.ReadSlice('\n')
		wasCut := cut
		cut = errors.Is(err, bufio.ErrBufferFull)
		if text := trimEnd(line); len(text) > 0 || len(line) > 0 && !wasCut { // the line end of a long line is not a line
			t.add(text)
		}
		if err != nil && !cut {
			return
		}
	}
}

func trimEnd(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}

func (t *tail) add(line []byte) {
	t.to.put(slices.Concat([]byte(t.prefix), line, []byte("\n")))
	if len(t.lines) == tailLines {
		t.lines = append(t.lines[:0], t.lines[1:]...)
	}
	t.lines = append(t.lines, strings.ToValidUTF8(string(line[:min(len(line), tailBytes)]), "\uFFFD"))
}

// last returns the last lines. It may be called after copy has returned.
func (t *tail) last() []string { return t.lines }
