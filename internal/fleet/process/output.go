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
	lineBytes     = 16 << 10               // a longer line comes out in pieces
	tailLines     = 20                     // kept for the report of a node's end
	tailBytes     = 512                    // of each of them
	queuedLines   = 1024                   // that wait for the writer, over all nodes
	queuePatience = 100 * time.Millisecond // how long a burst may hold up a node before lines are dropped
	flushPatience = time.Second            // how long closing waits for a writer that does not take the rest
)

// output joins the lines of all nodes into one writer. A writer that does not keep up (a pager, a stopped terminal)
// costs lines, which are counted and reported, never a node's progress or memory.
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
		o.w.Write(line) // an error here has nowhere to go: this is where errors are shown
	}
	o.reportDropped()
}

func (o *output) reportDropped() {
	if n := o.dropped.Swap(0); n > 0 {
		fmt.Fprintf(o.w, "tenfold | %d lines of output dropped: they were not taken fast enough\n", n)
	}
}

// put queues a line.
func (o *output) put(line []byte) {
	select {
	case o.lines <- line:
		return
	default:
	}
	if o.dropped.Load() == 0 { // the queue just filled up; while lines are being dropped nobody waits
		select {
		case o.lines <- line:
			return
		case <-time.After(queuePatience):
		}
	}
	o.dropped.Add(1)
}

// close writes what is queued, unless the writer does not take it. Nobody may put after it.
func (o *output) close() {
	close(o.lines)
	select {
	case <-o.flushed:
	case <-time.After(flushPatience):
	}
}

// tail cuts the output of one node into lines, puts its id in front and keeps the last ones.
type tail struct {
	to     *output
	prefix string
	lines  []string // the last ones, oldest first
}

func newTail(to *output, id string) *tail { return &tail{to: to, prefix: id + " | "} }

// copy reads until the end; a last line without an end of line counts.
func (t *tail) copy(r io.Reader) {
	buffered := bufio.NewReaderSize(r, lineBytes)
	for cut := false; ; {
		line, err := buffered.ReadSlice('\n')
		wasCut := cut
		cut = errors.Is(err, bufio.ErrBufferFull)
		if text := trimEnd(line); len(text) > 0 || len(line) > 0 && !wasCut { // the end of a long line is no line
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

// last returns the last lines; not before copy returned.
func (t *tail) last() []string { return t.lines }
