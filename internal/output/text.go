package output

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// TextOptions tune a text handler. Zero fields mean their defaults.
type TextOptions struct {
	Color     bool // with colours of a terminal; default: none
	ShortTime bool // only hours, minutes and seconds; default: date and time zone, too
}

// NewText returns a handler that writes records for people, one per line:
//
//	14:03:05 WARN node ejected service=shop node=shop-2
//	14:03:05 GET shop.example/cart 200 3.1ms node=shop-1 ...
//
// The second one is an access record: one with the message "request", a method and a path. A text from outside cannot
// change the line or the terminal: what is not a plain word is quoted, with escapes.
func NewText(w io.Writer, o *TextOptions) slog.Handler {
	if o == nil {
		o = &TextOptions{}
	}
	return &textHandler{TextOptions: *o, w: w, mu: new(sync.Mutex)}
}

type textHandler struct {
	TextOptions
	w      io.Writer
	mu     *sync.Mutex
	attrs  []slog.Attr
	prefix string // of the keys, from groups: "a.b."
}

func (h *textHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = slices.Clip(h.attrs)
	for _, a := range attrs {
		a.Key = h.prefix + a.Key
		next.attrs = append(next.attrs, a)
	}
	return &next
}

func (h *textHandler) WithGroup(name string) slog.Handler {
	next := *h
	if name != "" {
		next.prefix += name + "."
	}
	return &next
}

func (h *textHandler) Handle(_ context.Context, r slog.Record) error {
	attrs := make([]slog.Attr, 0, len(h.attrs)+r.NumAttrs())
	attrs = append(attrs, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		a.Key = h.prefix + a.Key
		attrs = append(attrs, a)
		return true
	})
	l := line{color: h.Color}
	l.time(r.Time, h.ShortTime)
	if request := requestOf(r.Message, attrs); request != nil {
		l.request(request)
		attrs = slices.DeleteFunc(attrs, func(a slog.Attr) bool { return slices.Contains(requestKeys, a.Key) })
	} else {
		l.level(r.Level)
		l.b = append(l.b, r.Message...)
	}
	for _, a := range attrs {
		l.attr("", a)
	}
	l.b = append(l.b, '\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.w.Write(l.b)
	return err
}

// requestKeys are the attributes of an access record that have a place in the line.
var requestKeys = []string{"method", "host", "path", "status", "took_ms"}

// requestOf returns the values of requestKeys, or nil for a record that is no access record.
func requestOf(message string, attrs []slog.Attr) map[string]slog.Value {
	if message != "request" {
		return nil
	}
	found := map[string]slog.Value{}
	for _, a := range attrs {
		if slices.Contains(requestKeys, a.Key) {
			found[a.Key] = a.Value
		}
	}
	if len(found) < len(requestKeys) {
		return nil
	}
	return found
}

// line is a line of text in the making.
type line struct {
	b     []byte
	color bool
}

// Colours of terminals (ECMA-48).
const (
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (l *line) colored(color, text string) {
	if !l.color {
		l.b = append(l.b, text...)
		return
	}
	l.b = append(append(append(append(l.b, "\x1b["...), color...), 'm'), text...)
	l.b = append(l.b, "\x1b[0m"...)
}

func (l *line) time(t time.Time, short bool) {
	if t.IsZero() {
		return
	}
	layout := "2006-01-02T15:04:05.000Z07:00"
	if short {
		layout = time.TimeOnly
	}
	l.colored(dim, t.Format(layout))
	l.b = append(l.b, ' ')
}

func (l *line) level(level slog.Level) {
	color := dim
	switch {
	case level >= slog.LevelError:
		color = red
	case level >= slog.LevelWarn:
		color = yellow
	case level >= slog.LevelInfo:
		return // the usual level
	}
	l.colored(color, level.String())
	l.b = append(l.b, ' ')
}

func (l *line) request(values map[string]slog.Value) {
	l.b = append(l.b, word(values["method"].String())+" "+word(values["host"].String()+values["path"].String())+" "...)
	status := values["status"].Int64()
	color := green
	switch {
	case status >= 500:
		color = red
	case status >= 400:
		color = yellow
	case status >= 300:
		color = cyan
	}
	l.colored(color, strconv.FormatInt(status, 10))
	l.b = append(l.b, ' ')
	l.b = append(l.b, shortMilliseconds(values["took_ms"].Float64())...)
}

// shortMilliseconds returns a duration as people read it: 3.1ms, 120ms, 2.5s.
func shortMilliseconds(ms float64) string {
	d := time.Duration(ms * float64(time.Millisecond))
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

func (l *line) attr(prefix string, a slog.Attr) {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		for _, inner := range value.Group() {
			l.attr(prefix+a.Key+".", inner)
		}
		return
	}
	if a.Key == "" {
		return
	}
	l.b = append(l.b, ' ')
	l.colored(dim, word(prefix+a.Key)+"=")
	text := value.String()
	if t, ok := value.Any().(time.Time); ok {
		text = t.Format(time.RFC3339)
	}
	l.b = append(l.b, word(text)...)
}

// word returns a text as one word: itself, or quoted.
func word(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == '"' || r == '=' || !unicode.IsPrint(r) || r == unicode.ReplacementChar
	}) {
		return strconv.Quote(s)
	}
	return s
}
