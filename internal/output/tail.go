package output

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Line is a line of a [Tail].
type Line struct {
	Time    time.Time
	Service string
	Node    string
	Event   bool // a record of the program itself
	Text    string
}

// size is about what a line needs in memory.
func (l *Line) size() int { return len(l.Text) + len(l.Service) + len(l.Node) + 96 }

// Tail keeps the last lines that were added, up to a number of bytes. Its methods are safe for concurrent use. The zero
// value keeps 4 MiB.
type Tail struct {
	Limit int // bytes

	mu      sync.Mutex
	lines   []Line
	first   int64 // how many lines were added before lines[0]
	bytes   int
	changed chan struct{} // closed and replaced when a line is added; nil when no reader waits
}

const tailLimit = 4 << 20

// Add adds a line and drops the oldest ones. It never waits for a reader.
func (t *Tail) Add(l Line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, l)
	t.bytes += l.size()
	limit := t.Limit
	if limit == 0 {
		limit = tailLimit
	}
	for t.bytes > limit && len(t.lines) > 1 {
		t.bytes -= t.lines[0].size()
		t.lines[0] = Line{} // the array lives on
		t.lines = t.lines[1:]
		t.first++
	}
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// Read passes the last n kept lines that match to emit, oldest first. With follow, it passes each later line, too, until ctx
// ends. A reader that is slower than the writers misses lines; a line says how many. Read returns the error of emit.
func (t *Tail) Read(ctx context.Context, n int, follow bool, match func(*Line) bool, emit func(Line) error) error {
	next := t.begin(n, match)
	for {
		lines, missed, after, changed := t.from(next, follow)
		next = after
		if missed > 0 {
			if err := emit(Line{Time: time.Now(), Event: true, Text: fmt.Sprintf("%d lines missed: this reader is too slow", missed)}); err != nil {
				return err
			}
		}
		for i := range lines {
			if !match(&lines[i]) {
				continue
			}
			if err := emit(lines[i]); err != nil {
				return err
			}
		}
		if len(lines) > 0 {
			continue
		}
		if !follow {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// begin returns the number of the line from which on n lines match.
func (t *Tail) begin(n int, match func(*Line) bool) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := len(t.lines)
	for n > 0 && i > 0 {
		i--
		if match(&t.lines[i]) {
			n--
		}
	}
	return t.first + int64(i)
}

// tailBatch is how many lines are copied at once, while writers wait.
const tailBatch = 500

// from returns a copy of the lines from number next on, how many were dropped before them, the number of the line after
// them, and, when there are none, what tells that there is another one.
func (t *Tail) from(next int64, wait bool) (lines []Line, missed, after int64, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if missed = t.first - next; missed > 0 {
		next = t.first
	}
	rest := t.lines[next-t.first:]
	lines = append(lines, rest[:min(len(rest), tailBatch)]...)
	if len(lines) == 0 && wait {
		if t.changed == nil {
			t.changed = make(chan struct{})
		}
		changed = t.changed
	}
	return lines, missed, next + int64(len(lines)), changed
}

// Last returns the last lines, oldest first, up to a number of bytes.
func (t *Tail) Last(limit int) []Line {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := len(t.lines)
	for size := 0; i > 0; i-- {
		if size += t.lines[i-1].size(); size > limit {
			break
		}
	}
	return append([]Line(nil), t.lines[i:]...)
}
