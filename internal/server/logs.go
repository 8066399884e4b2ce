package server

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/output"
)

// LogFormat is the form of log records.
type LogFormat uint8

const (
	JSON LogFormat = iota // for programs
	Text                  // for people
)

// LogOptions say where Logs write. Zero fields mean their defaults.
type LogOptions struct {
	Stdout io.Writer // the output of the nodes; default: discard
	Stderr io.Writer // events, access records, and what the caller writes; default: discard
	// File is the name of a file for events and access records; default: Stderr.
	File   string
	Rotate output.FileOptions // of File
	Format LogFormat          // of records
	Text   output.TextOptions // for the format Text
	// Terminal says that Stdout is a terminal: lines of nodes cannot change it.
	Terminal bool
	// OnlyJSON makes a JSON record of each line of a node, too.
	OnlyJSON bool
}

// Logs are the logs of a running tenfold. A reader that is slow or gone blocks none of its methods: see package output.
// Events and access records share one stream and keep their order. Close must be called at the end.
type Logs struct {
	Events *slog.Logger   // what happens to services and nodes; each record is written at once
	Access *slog.Logger   // one record per request; the records of 100 ms are written together
	Stderr *output.Stream // for text that is no record
	Stdout *output.Stream // the output of the nodes

	options    LogOptions
	nodeOutput *slog.Logger // nil when a line of a node is written as text
	nodeText   io.Writer
	last       output.Tail    // what ReadLast returns
	fileStream *output.Stream // nil when there is no file
	file       *output.File
}

const (
	// outputPatience is how long a burst of a node may wait for a slow reader before its lines are dropped.
	outputPatience = 100 * time.Millisecond
	// closePatience is how long Close waits for readers that do not read.
	closePatience = time.Second
)

// OpenLogs opens the streams of o. It fails when the file cannot be opened.
func OpenLogs(o *LogOptions) (*Logs, error) {
	l := &Logs{options: *o}
	if o.File != "" {
		var err error
		if l.file, err = output.OpenFile(o.File, &o.Rotate); err != nil {
			return nil, fmt.Errorf("open log file: %w", err)
		}
		l.fileStream = output.Open("file", l.file, &output.Options{Notice: o.dropped})
	}
	stdout, stderr := apart(o.Stdout, o.Stderr)
	l.Stderr = output.Open("stderr", stderr, &output.Options{Notice: o.dropped})
	l.Stdout = output.Open("stdout", stdout, &output.Options{Notice: o.droppedLines})
	l.nodeText = l.Stdout.Patient(outputPatience)
	if o.OnlyJSON {
		l.nodeOutput = slog.New(slog.NewJSONHandler(l.nodeText, nil))
	}
	records := l.Stderr
	if l.fileStream != nil {
		records = l.fileStream
	}
	l.Events = slog.New(keepEvents(o.logger(records).Handler(), &l.last))
	l.Access = o.logger(records.Batched())
	return l, nil
}

// NodeOutput writes a line that a node has written to its standard output or standard error: stream is stdout or stderr.
// It may wait a moment for a slow reader, but not for one that does not read.
func (l *Logs) NodeOutput(node, stream string, line []byte) {
	l.keepLine(node, line)
	if l.nodeOutput == nil {
		l.nodeText.Write(l.options.nodeLine(node, line))
		return
	}
	attrs := []any{"node", node, "stream", stream, "line", string(line)}
	if service := serviceOfNode(node); service != "" {
		attrs = append([]any{"service", service}, attrs...)
	}
	l.nodeOutput.Info("output", attrs...)
}

// Record returns a logger for records on standard error that are no events: they are not written to the log file.
func (l *Logs) Record() *slog.Logger { return l.options.logger(l.Stderr) }

// Dump returns a logger and a writer to standard error for a large amount of text. They wait for a slow reader, but
// not for one that does not read.
func (l *Logs) Dump() (*slog.Logger, io.Writer) {
	w := l.Stderr.Patient(closePatience)
	return l.options.logger(w), w
}

// Streams returns all open streams.
func (l *Logs) Streams() []*output.Stream {
	streams := []*output.Stream{l.Stderr, l.Stdout}
	if l.fileStream != nil {
		streams = append(streams, l.fileStream)
	}
	return streams
}

// Reopen opens the log file again, after it was renamed. Without a log file it does nothing.
func (l *Logs) Reopen() error {
	if l.file == nil {
		return nil
	}
	if err := l.file.Reopen(); err != nil {
		return fmt.Errorf("reopen log file: %w", err)
	}
	return nil
}

// Close writes what still waits. It gives up after a second.
func (l *Logs) Close() {
	var all sync.WaitGroup
	for _, s := range l.Streams() {
		all.Go(func() { s.Close(closePatience) })
	}
	all.Wait() // a blocked write to the file keeps the file open until the process ends
}

func (o *LogOptions) logger(w io.Writer) *slog.Logger {
	if o.Format == Text {
		return slog.New(output.NewText(w, &o.Text))
	}
	return slog.New(slog.NewJSONHandler(w, nil))
}

// nodeLine returns a line of a node as text.
func (o *LogOptions) nodeLine(node string, line []byte) []byte {
	if o.Terminal {
		line = output.ForTerminal(line)
	}
	if o.Text.Color {
		return fmt.Appendf(nil, "\x1b[36m%s |\x1b[0m %s\x1b[0m\n", node, line) // the line may leave a colour on
	}
	return fmt.Appendf(nil, "%s | %s\n", node, line)
}

// dropped returns the record that says that n records were dropped.
func (o *LogOptions) dropped(n int64) []byte {
	var b bytes.Buffer
	o.logger(&b).Warn("records dropped", "dropped", n)
	return b.Bytes()
}

// droppedLines returns the notice that n lines of nodes were dropped.
func (o *LogOptions) droppedLines(n int64) []byte {
	if o.OnlyJSON {
		return o.dropped(n)
	}
	return fmt.Appendf(nil, "tenfold | %d lines of output dropped\n", n)
}

// apart returns writers that never mix their writes when both are the same pipe or file, as after 2>&1. A long write
// to a pipe has several parts.
func apart(stdout, stderr io.Writer) (io.Writer, io.Writer) {
	if stdout == nil {
		stdout = io.Discard
	}
	if stderr == nil {
		stderr = io.Discard
	}
	if !same(stdout, stderr) {
		return stdout, stderr
	}
	var mu sync.Mutex
	return &lockedWriter{&mu, stdout}, &lockedWriter{&mu, stderr}
}

func same(a, b io.Writer) bool {
	fileA, okA := a.(*os.File)
	fileB, okB := b.(*os.File)
	if !okA || !okB {
		return false
	}
	infoA, errA := fileA.Stat()
	infoB, errB := fileB.Stat()
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// lockedWriter writes under a lock that it shares with another writer.
type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
