package process

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
)

const (
	lineBytes = 16 << 10 // a longer line is passed on in pieces
	tailLines = 20       // last lines of a node that are kept for its ExitError
	tailBytes = 512      // kept of each of these lines
)

// tail splits the outputs of one node into lines, passes them on, and keeps the last ones.
type tail struct {
	to   func(node, stream string, line []byte)
	node string

	mu    sync.Mutex
	lines []string // the last ones, oldest first
}

func newTail(to func(node, stream string, line []byte), node string) *tail {
	return &tail{to: to, node: node}
}

// copyAll starts to copy both outputs. It returns a channel that is closed at the end of both.
func (t *tail) copyAll(o outputs) <-chan struct{} {
	var all sync.WaitGroup
	all.Go(func() { t.copy(Stdout, o[0]) })
	all.Go(func() { t.copy(Stderr, o[1]) })
	copied := make(chan struct{})
	go func() { all.Wait(); close(copied) }()
	return copied
}

// copy reads until the end. It also passes on a last line without a line end.
func (t *tail) copy(stream string, r io.Reader) {
	buffered := bufio.NewReaderSize(r, lineBytes)
	for cut := false; ; {
		line, err := buffered.ReadSlice('\n')
		wasCut := cut
		cut = errors.Is(err, bufio.ErrBufferFull)
		if text := trimEnd(line); len(text) > 0 || len(line) > 0 && !wasCut { // the end of a long line is not a line
			t.add(stream, text)
		}
		if err != nil && !cut {
			return
		}
	}
}

func trimEnd(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}

func (t *tail) add(stream string, line []byte) {
	t.to(t.node, stream, line)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == tailLines {
		t.lines = append(t.lines[:0], t.lines[1:]...)
	}
	t.lines = append(t.lines, strings.ToValidUTF8(string(line[:min(len(line), tailBytes)]), "\uFFFD"))
}

// last returns the last lines. It may be called after both copies have returned.
func (t *tail) last() []string { return t.lines }
