package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/console"
)

type logsCmd struct {
	adminFlags
	Follow bool   `short:"f" help:"Go on with new lines, also of a tenfold that replaces the running one, until Ctrl-C."`
	Lines  number `short:"n" default:"100" placeholder:"N" help:"How many lines to print first; default 100."`
	JSON   bool   `name:"json" help:"Print each line as a JSON document."`
	Name   string `arg:"" optional:"" placeholder:"SERVICE|NODE" help:"Only lines of this service or node."`
}

// Help is the text below the summary.
func (logsCmd) Help() string {
	return `
Prints what nodes have written, each line with the node in front, and the events of tenfold. It works for a tenfold in the
foreground and in the background. A running tenfold keeps the last 4 MiB. Records of requests are not among them: they are in the
log itself (docs/logs.md).

    tenfold logs
    tenfold logs -f shop
    tenfold logs -n 1000 shop-3

When no tenfold runs here, the last lines of the log file of one that was in the background are printed.
`
}

func (cmd logsCmd) Run(ctx context.Context, t *terminal) error {
	if cmd.Lines < 0 {
		return usageError(fmt.Errorf("-n %d: want a number from 0", cmd.Lines), "")
	}
	r, err := cmd.find()
	if err != nil && cmd.Admin == "" {
		return cmd.printEnded(t, err)
	}
	if err == nil && r.Admin == "" && r.Log != "" && !cmd.Follow {
		return cmd.printFile(t, r.Log)
	}
	return cmd.read(ctx, t)
}

// reconnect is how long to wait between tries to find the tenfold again.
const reconnect = 200 * time.Millisecond

// read prints the lines of the running tenfold. With --follow it continues with the next tenfold of the directory.
func (cmd logsCmd) read(ctx context.Context, t *terminal) error {
	last := time.Time{} // of the last line: the next connection begins after it
	lines := int(cmd.Lines)
	for first := true; ; first = false {
		err := cmd.stream(ctx, t, lines, &last)
		switch {
		case ctx.Err() != nil:
			return nil
		case !cmd.Follow, first && err != nil, errors.As(err, new(*writeError)):
			return err
		case err == nil:
			fmt.Fprintln(t.stderr, "tenfold: the running tenfold has ended; waiting for the next one")
			lines = maxMissed
		}
		select {
		case <-time.After(reconnect):
		case <-ctx.Done():
			return nil
		}
	}
}

// maxMissed is how many lines are read of a tenfold that has replaced another one.
const maxMissed = 10_000

// stream prints one answer of the admin API: the lines that are newer than last.
func (cmd logsCmd) stream(ctx context.Context, t *terminal, lines int, last *time.Time) error {
	q := url.Values{"lines": {fmt.Sprint(lines)}, "follow": {fmt.Sprint(cmd.Follow)}}
	if cmd.Name != "" {
		q.Set("name", cmd.Name)
	}
	resp, f, err := cmd.open(ctx, http.MethodGet, "/api/logs?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		return f.refusal(resp.StatusCode, answer)
	}
	after := *last
	d := json.NewDecoder(resp.Body)
	for {
		var line console.LogLine
		if err := d.Decode(&line); err != nil {
			if err == io.EOF || cmd.Follow {
				return nil // the tenfold has ended, perhaps in the middle of a line
			}
			return fmt.Errorf("read answer of %s: %w", f.Admin, err)
		}
		if !line.Time.After(after) {
			continue
		}
		*last = line.Time
		if err := cmd.print(t.stdout, line); err != nil {
			return &writeError{err}
		}
	}
}

// writeError says that the output of a verb cannot be written.
type writeError struct{ error }

func (w *writeError) Unwrap() error { return w.error }

func (cmd logsCmd) print(w io.Writer, line console.LogLine) error {
	if cmd.JSON {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(line)
	}
	source := line.Node
	if line.Event {
		source = "tenfold"
	}
	_, err := fmt.Fprintf(w, "%s | %s\n", source, shown(w, line.Text))
	return err
}

// printEnded prints the log file of a tenfold of this directory that ran in the background and has ended. Without such a
// file it returns notRunning.
func (cmd logsCmd) printEnded(t *terminal, notRunning error) error {
	path, err := cmd.endedLog()
	if err != nil || path == "" || cmd.Follow {
		if err == nil {
			err = notRunning
		}
		return err
	}
	fmt.Fprintf(t.stderr, "tenfold: no tenfold runs here; the last lines of %s:\n", path)
	return cmd.printFile(t, path)
}

// endedLog returns the newest log file of the directory that the flags mean, or "".
func (cmd logsCmd) endedLog() (string, error) {
	where, err := absolute(cmp.Or(cmd.Project, "."))
	if err != nil {
		return "", err
	}
	return newestBackgroundLog(where)
}

// printFile prints the last lines of a log file that are of the wanted service or node.
func (cmd logsCmd) printFile(t *terminal, path string) error {
	var kept [][]byte
	for _, name := range []string{path + ".1", path} {
		f, err := os.Open(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return fmt.Errorf("read log file: %w", err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if !isLineOf(lines.Bytes(), cmd.Name) || cmd.Lines == 0 {
				continue
			}
			if len(kept) == int(cmd.Lines) {
				kept = append(kept[:0], kept[1:]...)
			}
			kept = append(kept, bytes.Clone(lines.Bytes()))
		}
		if err := lines.Err(); err != nil {
			return fmt.Errorf("read log file: %w", err)
		}
	}
	text := append(bytes.Join(kept, []byte("\n")), "\n"[:min(len(kept), 1)]...)
	_, err := io.WriteString(t.stdout, shown(t.stdout, string(text)))
	return err
}

// isLineOf reports whether a line of a log file is of a service or a node: "shop-3 | text", or a JSON record.
func isLineOf(line []byte, name string) bool {
	if name == "" {
		return true
	}
	var record struct{ Service, Node string }
	if json.Unmarshal(line, &record) == nil {
		return record.Service == name || record.Node == name
	}
	node, _, found := strings.Cut(string(line), " | ")
	return found && (node == name || strings.TrimRight(node, "0123456789") == name+"-")
}
