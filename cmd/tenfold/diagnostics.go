package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	logfile "github.com/tenfold-go/tenfold/internal/output"
	"github.com/tenfold-go/tenfold/internal/server"
)

// logFlags say how a verb that serves logs.
type logFlags struct {
	format string // auto, text or json
	file   string // for events and access records; "" for standard error
	rotate logfile.FileOptions
	people bool // with auto, people read the log even when it is no terminal
}

// logFlagsOf returns the settings of the file, with the flags that win over them. cfg is nil when the file cannot be used.
func logFlagsOf(cfg *config.Config, format, file string) logFlags {
	f := logFlags{format: format, file: file}
	if cfg == nil {
		return f
	}
	if format == "auto" {
		f.format = string(cfg.Log.Format)
	}
	if file == "" {
		f.file = cfg.Log.File
	}
	f.rotate = logfile.FileOptions{Size: cfg.Log.Size, Keep: cfg.Log.Keep}
	return f
}

// diagnostics are what a verb that serves prints. None of it waits for a reader.
type diagnostics struct {
	*server.Logs
	onlyJSON   bool // both streams have JSON records
	errorsJSON bool // and the error at the end is one, too

	onTerminal  bool // standard error is a terminal
	hadTerminal bool // at the start
	reloads     atomic.Pointer[reloadRequests]
}

// withDiagnostics runs a verb that serves. It prints the error of the verb, and returns an error with its exit code and
// without text. The context of the verb ends on the signals that drain, too.
func withDiagnostics(
	ctx context.Context, t *terminal, flags logFlags, verb func(context.Context, *diagnostics) error,
) error {
	d, err := openDiagnostics(t, flags)
	defer func() { d.Close() }() // d exists after an error, too
	if err != nil {
		return d.print(err)
	}
	slog.SetDefault(d.Events) // messages of libraries, which would go directly to standard error
	ctx, stop := d.handleSignals(ctx)
	defer stop()
	return d.print(verb(ctx, d))
}

// openDiagnostics opens the streams. When the log file cannot be opened, it returns an error and diagnostics without
// the file, which can print that error.
func openDiagnostics(t *terminal, flags logFlags) (d *diagnostics, err error) {
	terminal := isTerminal(t.stderr)
	d = &diagnostics{errorsJSON: flags.format == "json", onTerminal: terminal}
	d.onlyJSON = d.errorsJSON || flags.format == "auto" && !terminal && !flags.people
	o := &server.LogOptions{
		Stdout: unwrap(t.stdout), Stderr: unwrap(t.stderr), File: flags.file, Rotate: flags.rotate, OnlyJSON: d.onlyJSON, Format: server.JSON,
		Terminal: isTerminal(t.stdout),
	}
	if flags.format == "text" || flags.format == "auto" && flags.file == "" && !d.onlyJSON {
		o.Format = server.Text
		o.Text = logfile.TextOptions{ShortTime: terminal && flags.file == "", Color: terminal && flags.file == "" && wantsColor()}
	}
	if d.Logs, err = server.OpenLogs(o); err == nil {
		return d, nil
	}
	err = usageError(err, "--log-file and log.file want a file in an existing, writable directory")
	o.File = ""
	d.Logs, _ = server.OpenLogs(o) // it opens no file, so it cannot fail
	return d, err
}

// wantsColor reports whether a terminal should show colours: see no-color.org.
func wantsColor() bool { return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" }

// notes prints what is probably a mistake in the file.
func (d *diagnostics) notes(notes []config.Problem) {
	for _, note := range notes {
		if d.onlyJSON {
			d.Record().Warn("configuration note", problemAttrs("note", note)...)
		} else {
			fmt.Fprintf(d.Stderr, "note: %s\n", note)
		}
	}
}

// started prints the services and the addresses. They go to standard error, because standard output has the lines of
// the nodes.
func (d *diagnostics) started(cfg *config.Config, s *server.Server) {
	admin := ""
	if a := s.AdminAddr(); a != nil {
		admin = "http://" + a.String()
	}
	if d.onlyJSON {
		for _, service := range cfg.Services {
			d.Record().Info("service", "service", service.Name, "nodes", describe(&service))
		}
		d.Record().Info("listening", "urls", s.URLs(), "admin", admin, "store", s.DescribeStore())
		return
	}
	var b strings.Builder
	for _, service := range cfg.Services {
		fmt.Fprintf(&b, "%s: %s\n", service.Name, describe(&service))
	}
	fmt.Fprintf(&b, "listening on %s", strings.Join(s.URLs(), ", "))
	if admin != "" {
		fmt.Fprintf(&b, ", admin on %s", admin)
	}
	fmt.Fprintf(&b, ", store: %s\n", s.DescribeStore())
	d.Stderr.Write([]byte(b.String()))
}

// ready prints that every service has all its nodes.
func (d *diagnostics) ready(s *server.Server, took time.Duration) {
	if d.onlyJSON {
		d.Record().Info("ready", "urls", s.URLs(), "took_s", took.Seconds())
		return
	}
	fmt.Fprintf(d.Stderr, "ready: %s\n", strings.Join(s.URLs(), ", "))
}

// print prints err and its hint, and returns an error with the exit code of err and without text.
func (d *diagnostics) print(err error) error {
	if err == nil || err.Error() == "" { // an exit code alone
		return err
	}
	if d.errorsJSON {
		printErrorRecords(d.Record(), err)
	} else {
		var b strings.Builder
		printError(&b, err)
		text := []byte(b.String())
		if d.onTerminal {
			text = logfile.ForTerminal(text) // it may have the last lines of a node
		}
		d.Stderr.Write(text)
	}
	return &reportedError{err}
}

// printErrorRecords logs err and its hint as one record, or the problems of a file as one record each.
func printErrorRecords(log *slog.Logger, err error) {
	if problems := (config.Problems)(nil); errors.As(err, &problems) {
		for _, p := range problems {
			log.Error("configuration problem", problemAttrs("err", p)...)
		}
		return
	}
	attrs := []any{"err", err.Error()}
	if h := hint(err); h != "" {
		attrs = append(attrs, "hint", h)
	}
	log.Error("tenfold failed", attrs...)
}

// problemAttrs are the fields of a problem that are known. textKey is the key of its message.
func problemAttrs(textKey string, p config.Problem) []any {
	attrs := []any{textKey, p.Message}
	if p.Path != "" {
		attrs = append(attrs, "path", p.Path)
	}
	if p.Line > 0 {
		attrs = append(attrs, "file", p.File, "line", p.Line, "column", p.Column)
	}
	if p.Hint != "" {
		attrs = append(attrs, "hint", p.Hint)
	}
	return attrs
}

// wantsJSON reports whether a command line has --log json. It is for a command line that cannot be parsed.
func wantsJSON(args []string) bool {
	for i, arg := range args {
		switch {
		case arg == "--":
			return false
		case arg == "--log=json", arg == "--log" && i+1 < len(args) && args[i+1] == "json":
			return true
		}
	}
	return false
}
