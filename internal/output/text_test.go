package output

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestText(t *testing.T) {
	at := time.Date(2026, 11, 28, 14, 3, 5, 678e6, time.FixedZone("", 3600))
	request := []any{"method", "GET", "host", "a.example", "path", "/x", "status", 200, "bytes", 7, "took_ms", 3.14159, "node", "a-1"}
	for _, c := range []struct {
		name    string
		o       *TextOptions
		log     func(*slog.Logger)
		want    string
		message string
		level   slog.Level
		attrs   []any
	}{
		{name: "info", o: &TextOptions{ShortTime: true}, message: "node ready", attrs: []any{"node", "a-1"}, want: "14:03:05 node ready node=a-1\n"},
		{name: "long time", message: "node ready", want: "2026-11-28T14:03:05.678+01:00 node ready\n"},
		{name: "level", o: &TextOptions{ShortTime: true}, message: "m", level: slog.LevelError, attrs: []any{"err", errors.New("it broke")}, want: "14:03:05 ERROR m err=\"it broke\"\n"},
		{name: "colour", o: &TextOptions{ShortTime: true, Color: true}, message: "m", level: slog.LevelWarn, attrs: []any{"a", 1},
			want: "\x1b[2m14:03:05\x1b[0m \x1b[33mWARN\x1b[0m m \x1b[2ma=\x1b[0m1\n"},
		{name: "request", o: &TextOptions{ShortTime: true}, message: "request", attrs: request, want: "14:03:05 GET a.example/x 200 3.14ms bytes=7 node=a-1\n"},
		{name: "a request that is not one", o: &TextOptions{ShortTime: true}, message: "request", attrs: []any{"method", "GET"}, want: "14:03:05 request method=GET\n"},
		{name: "forged", o: &TextOptions{ShortTime: true}, message: "m", attrs: []any{"path", "/\x1b[2J\n14:03:05 forged", "u", "\u202e\xff", "e", "", "q", "a=b"},
			want: `14:03:05 m path="/\x1b[2J\n14:03:05 forged" u="\u202e\xff" e="" q="a=b"` + "\n"},
		{name: "group", o: &TextOptions{ShortTime: true}, message: "m", attrs: []any{slog.Group("g", "a", 1, slog.Group("h", "b", time.Second))}, want: "14:03:05 m g.a=1 g.h.b=1s\n"},
	} {
		var b bytes.Buffer
		h := NewText(&b, c.o)
		r := slog.NewRecord(at, c.level, c.message, 0)
		r.Add(c.attrs...)
		if err := h.Handle(t.Context(), r); err != nil || b.String() != c.want {
			t.Errorf("%s: got  %q, %v\nwant %q", c.name, b.String(), err, c.want)
		}
	}
	var b bytes.Buffer
	log := slog.New(NewText(&b, nil)).With("service", "shop").WithGroup("g").With("a", 1)
	log.Info("m", "b", 2)
	log.Debug("not shown")
	if got := b.String(); !strings.HasSuffix(got, " m service=shop g.a=1 g.b=2\n") || strings.Count(got, "\n") != 1 {
		t.Errorf("got %q", got)
	}
}

// One record is one line without control characters, whatever it has in it.
func FuzzText(f *testing.F) {
	f.Add("path", "/\x1b[2J\n", "GET")
	f.Fuzz(func(t *testing.T, key, value, method string) {
		var b bytes.Buffer
		slog.New(NewText(&b, nil)).Info("request", key, value, "method", method, "host", value, "path", value, "status", 200, "took_ms", 1.5)
		line, ok := strings.CutSuffix(b.String(), "\n")
		if !ok || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("got %q", b.String())
		}
	})
}
