package server

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/console"
	"github.com/tenfold-go/tenfold/internal/output"
)

// ReadLast passes the last lines of nodes and the last events to emit: see [console.LogReader].
func (l *Logs) ReadLast(ctx context.Context, q console.LogQuery, emit func(console.LogLine) error) error {
	match := func(line *output.Line) bool {
		return q.Name == "" || line.Service == q.Name || line.Node == q.Name
	}
	return l.last.Read(ctx, q.Lines, q.Follow, match, func(line output.Line) error { return emit(console.LogLine(line)) })
}

// handedLines is how many bytes of last lines a successor gets.
const handedLines = 512 << 10

// lastLines returns the last lines for a successor. Without logs there are none.
func (l *Logs) lastLines() []output.Line {
	if l == nil {
		return nil
	}
	return l.last.Last(handedLines)
}

// adopt continues the last lines of a predecessor.
func (l *Logs) adopt(lines []output.Line) {
	if l == nil {
		return
	}
	for _, line := range lines {
		l.last.Add(line)
	}
}

// keepLine keeps a line of a node for ReadLast.
func (l *Logs) keepLine(node string, line []byte) {
	l.last.Add(output.Line{Time: time.Now(), Service: serviceOfNode(node), Node: node, Text: strings.ToValidUTF8(string(line), "\uFFFD")})
}

// serviceOfNode returns the service of a node id: "shop" of shop-3.
func serviceOfNode(node string) string {
	if i := strings.LastIndexByte(node, '-'); i > 0 {
		return node[:i]
	}
	return ""
}

// keeping is a handler that also keeps each record for ReadLast, as text.
type keeping struct {
	slog.Handler
	last          *output.Tail
	text          slog.Handler  // writes to buffer
	buffer        *bytes.Buffer // of one record; guarded by lock
	lock          *sync.Mutex
	service, node string
}

func keepEvents(h slog.Handler, last *output.Tail) slog.Handler {
	buffer := &bytes.Buffer{}
	text := slog.NewTextHandler(buffer, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{} // the line has it
		}
		return a
	}})
	return &keeping{Handler: h, last: last, text: text, buffer: buffer, lock: new(sync.Mutex)}
}

func (k *keeping) Handle(ctx context.Context, r slog.Record) error {
	line := output.Line{Time: r.Time, Service: k.service, Node: k.node, Event: true}
	r.Attrs(func(a slog.Attr) bool {
		line.Service, line.Node = named(a, line.Service, line.Node)
		return true
	})
	k.lock.Lock()
	k.buffer.Reset()
	err := k.text.Handle(ctx, r)
	line.Text = strings.TrimSuffix(k.buffer.String(), "\n")
	k.lock.Unlock()
	if err == nil {
		k.last.Add(line)
	}
	return k.Handler.Handle(ctx, r)
}

// named returns the service and the node, replaced by those that an attribute names.
func named(a slog.Attr, service, node string) (string, string) {
	switch a.Key {
	case "service":
		return a.Value.String(), node
	case "node":
		return service, a.Value.String()
	}
	return service, node
}

func (k *keeping) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *k
	next.Handler, next.text = k.Handler.WithAttrs(attrs), k.text.WithAttrs(attrs)
	for _, a := range attrs {
		next.service, next.node = named(a, next.service, next.node)
	}
	return &next
}

func (k *keeping) WithGroup(name string) slog.Handler {
	next := *k
	next.Handler, next.text = k.Handler.WithGroup(name), k.text.WithGroup(name)
	return &next
}
