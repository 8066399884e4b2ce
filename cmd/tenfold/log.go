package main

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

// logs are the loggers of a running tenfold. They share one stream, on which no record overtakes another.
type logs struct {
	events *slog.Logger // what happens; a record is written at once
	access *slog.Logger // one record per request; written together with what else comes within logDelay
	out    *logBuffer
}

// newLogs writes records to w: text for people, JSON for programs. Without Close the last ones are lost.
func newLogs(w io.Writer, form string) *logs {
	handler := func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) }
	if form == "text" || form == "auto" && isTerminal(w) {
		handler = func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) }
	}
	out := &logBuffer{out: w}
	return &logs{slog.New(handler(promptly{out})), slog.New(handler(out)), out}
}

// Close writes what is still waiting.
func (l *logs) Close() error { return l.out.flush() }

const (
	logDelay = 100 * time.Millisecond // a system call for the record of each request is a tenth of what a request costs
	logSize  = 32 << 10
)

// logBuffer keeps records for a while, to write many at a time and each of them whole. It is safe for concurrent use.
type logBuffer struct {
	out io.Writer

	mu      sync.Mutex
	waiting []byte
	due     bool // a timer will flush
}

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

func (b *logBuffer) flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.due = false
	return b.write()
}

// write drops what cannot be written: a disk that is full now need not be so for ever.
func (b *logBuffer) write() error {
	if len(b.waiting) == 0 {
		return nil
	}
	_, err := b.out.Write(b.waiting)
	b.waiting = b.waiting[:0]
	return err
}

// promptly is the buffer for records that do not wait.
type promptly struct{ *logBuffer }

func (p promptly) Write(record []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, record...)
	return len(record), p.write()
}
