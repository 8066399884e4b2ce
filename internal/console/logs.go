package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/status"
)

const logsPath = "/api/logs"

// LogLine is a line that a node has written, or an event of tenfold itself, for which Node may be empty.
type LogLine struct {
	Time    time.Time `json:"time"`
	Service string    `json:"service,omitempty"`
	Node    string    `json:"node,omitempty"`
	Event   bool      `json:"event,omitempty"` // Text is a record of tenfold
	Text    string    `json:"text"`
}

// LogReader passes the last lines of a service or a node to emit, oldest first, and with follow also each later one until
// ctx ends. An empty name stands for all. It returns the error of emit.
type LogReader func(ctx context.Context, q LogQuery, emit func(LogLine) error) error

// LogQuery says which lines are wanted.
type LogQuery struct {
	Name   string // of a service or a node; "" for all
	Lines  int    // at most, of those that are kept
	Follow bool
}

// logs answers GET /api/logs?name=&lines=&follow= with one JSON document per line. stopping ends answers that follow.
func logs(read LogReader, reader Reader, stopping <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := parseLogQuery(r)
		if err == nil && !isKnown(reader, q.Name) {
			err = fmt.Errorf("logs of %q: no such service or node: %w", q.Name, ErrUnknown)
		}
		switch {
		case errors.Is(err, ErrUnknown):
			writeError(w, http.StatusNotFound, fmt.Errorf("no service and no node has the name %q; the services are %s", q.Name, serviceNames(reader)))
			return
		case err != nil:
			writeError(w, http.StatusBadRequest, err)
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go func() {
			select {
			case <-stopping:
				cancel()
			case <-ctx.Done():
			}
		}()
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.Header().Set("Cache-Control", "no-store")
		flush := http.NewResponseController(w)
		w.WriteHeader(http.StatusOK)
		flush.Flush()
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		read(ctx, q, func(l LogLine) error {
			if err := e.Encode(l); err != nil || !q.Follow {
				return err
			}
			return flush.Flush()
		})
	}
}

const maxLogLines = 100_000

func parseLogQuery(r *http.Request) (q LogQuery, err error) {
	q = LogQuery{Name: r.FormValue("name"), Lines: 100}
	if text := r.FormValue("lines"); text != "" {
		if q.Lines, err = strconv.Atoi(text); err != nil || q.Lines < 0 || q.Lines > maxLogLines {
			return q, fmt.Errorf("lines must be a number from 0 to %d", maxLogLines)
		}
	}
	if text := r.FormValue("follow"); text != "" {
		if q.Follow, err = strconv.ParseBool(text); err != nil {
			return q, errors.New("follow must be true or false")
		}
	}
	return q, nil
}

// isKnown reports whether name is "", a service, or a node of a service, also one that has ended: its last lines are kept.
func isKnown(reader Reader, name string) bool {
	return name == "" || slices.ContainsFunc(reader.Services(), func(s status.Service) bool {
		number, isNode := strings.CutPrefix(name, s.Name+"-")
		_, err := strconv.Atoi(number)
		return s.Name == name || isNode && err == nil
	}) || slices.ContainsFunc(reader.Nodes(), func(n status.Node) bool { return n.ID == name })
}

func serviceNames(reader Reader) string {
	var names []string
	for _, s := range reader.Services() {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}
