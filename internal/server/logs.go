package server

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

// Logs are the two loggers of a running tenfold. They share one stream and keep the order of the records. Close must be
// called at the end: it writes the records that still wait.
type Logs struct {
	Events *slog.Logger // what happens to services and nodes; each record is written at once
	Access *slog.Logger // one record per request; records of logDelay are written together

	buffer *logBuffer
}

// LogFormat is the form of log records.
type LogFormat uint8

const (
	JSON LogFormat = iota // for programs
	Text                  // for people
)

// NewLogs returns loggers that write records to w.
func NewLogs(w io.Writer, format LogFormat) *Logs {
	b := &logBuffer{out: w}
	return &Logs{
		Events: slog.New(format.handler(unbuffered{b})),
		Access: slog.New(format.handler(b)),
		buffer: b,
	}
}

func (f LogFormat) handler(w io.Writer) slog.Handler {
	if f == Text {
		return slog.NewTextHandler(w, nil)
	}
	return slog.NewJSONHandler(w, nil)
}

// Close writes the records that still wait.
func (l *Logs) Close() error { return l.buffer.flush() }

const (
	// logDelay is how long an access record may wait for others. A system call per record would cost a tenth of what a
	// request costs.
	logDelay = 100 * time.Millisecond
	logSize  = 32 << 10 // bytes of waiting records that are written before logDelay is over
)

// logBuffer collects records and writes many of them at once, each one whole. It is safe for concurrent use.
type logBuffer struct {
	out io.Writer

	mu      sync.Mutex
	waiting []byte
	due     bool // a timer will flush
}

// Write adds a record. The record is written within logDelay.
func (b *logBuffer) Write(record []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, record...)
	if len(b.waiting) >= logSize {
		return len(record), b.write()
	}
	if !b.due {
		b.due = true
		time.AfterFunc(logDelay, func() { b.flush() })
	}
	return len(record), nil
}

// flush writes the records that wait.
func (b *logBuffer) flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.due = false
	return b.write()
}

// write writes the records that wait and drops those that cannot be written. A later record may succeed, for example
// after a full disk has space again. The lock is held.
func (b *logBuffer) write() error {
	if len(b.waiting) == 0 {
		return nil
	}
	_, err := b.out.Write(b.waiting)
	b.waiting = b.waiting[:0]
	return err
}

// unbuffered writes each record at once, after the records that wait in the same buffer.
type unbuffered struct{ *logBuffer }

func (u unbuffered) Write(record []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.waiting = append(u.waiting, record...)
	return len(record), u.write()
}
