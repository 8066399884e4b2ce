package process

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

const (
	lineBytes = 16 << 10 // a longer line is passed on in pieces
	tailLines = 20       // last lines of a node that are kept for its ExitError
	tailBytes = 512      // kept of each of these lines
)

// tail splits the output of one node into lines, passes them on, and keeps the last ones.
type tail struct {
	to    func(node string, line []byte)
	node  string
	lines []string // the last ones, oldest first
}

func newTail(to func(node string, line []byte), node string) *tail { return &tail{to: to, node: node} }

// copy reads until the end. It also passes on a last line without a line end.
func (t *tail) copy(r io.Reader) {
	buffered := bufio.NewReaderSize(r, lineBytes)
	for cut := false; ; {
		line, err := buffered.ReadSlice('\n')
		wasCut := cut
		cut = errors.Is(err, bufio.ErrBufferFull)
		if text := trimEnd(line); len(text) > 0 || len(line) > 0 && !wasCut { // the end of a long line is not a line
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
	t.to(t.node, line)
	if len(t.lines) == tailLines {
		t.lines = append(t.lines[:0], t.lines[1:]...)
	}
	t.lines = append(t.lines, strings.ToValidUTF8(string(line[:min(len(line), tailBytes)]), "\uFFFD"))
}

// last returns the last lines. It may be called after copy has returned.
func (t *tail) last() []string { return t.lines }
