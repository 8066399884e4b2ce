package main

import (
	"io"
	"log/slog"
)

// newLogger writes records to w: text for people, JSON for programs.
func newLogger(w io.Writer, form string) *slog.Logger {
	if form == "text" || form == "auto" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, nil))
	}
	return slog.New(slog.NewJSONHandler(w, nil))
}
