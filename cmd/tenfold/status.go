package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/tenfold-go/tenfold/internal/report"
	"github.com/tenfold-go/tenfold/internal/status"
)

type statusCmd struct {
	adminFlags
	JSON bool `name:"json" help:"Print one JSON document with services, nodes and routes."`
}

// status is what a running tenfold says of itself.
type statusDocument struct {
	Services []status.Service `json:"services"`
	Nodes    []status.Node    `json:"nodes"`
	Routes   []status.Route   `json:"routes"`
}

func (cmd statusCmd) Run(t *terminal) error {
	var s statusDocument
	for path, result := range map[string]any{"/api/services": &s.Services, "/api/nodes": &s.Nodes, "/api/routes": &s.Routes} {
		if err := cmd.call(t.ctx, http.MethodGet, path, nil, result); err != nil {
			return err
		}
	}
	if cmd.JSON {
		e := json.NewEncoder(t.stdout)
		e.SetIndent("", "  ")
		return e.Encode(s)
	}
	return s.print(t.stdout, time.Now())
}

// print shows each service with its nodes below it.
func (s statusDocument) print(w io.Writer, now time.Time) error {
	for i, service := range s.Services {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s: %d of %d ready%s\n", service.Name, service.Ready, service.Wanted, trouble(service, now))
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintf(tw, "  node\tstate\taddress\tpid\tup\tin flight\trequests\tfailures\tlatency\n")
		for _, n := range s.Nodes {
			if n.Service == service.Name {
				fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n", n.ID, state(n), or(n.Address, "-"), positive(n.PID),
					age(n.Started, now), n.InFlight, n.Requests, n.Failures, latency(n.LatencyMS))
			}
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// trouble is what a person wants to know first.
func trouble(s status.Service, now time.Time) (text string) {
	if s.Restarting {
		text += ", restarting"
	}
	if s.Breaker == "open" || s.Breaker == "half-open" {
		text += ", circuit breaker " + s.Breaker
	}
	if s.CrashLoop {
		text += ", CRASH LOOP"
	}
	if e := s.LastExit; e != nil {
		text += fmt.Sprintf("; %s so far, the last %s ago: %s, %s", report.Count(s.Restarts, "restart"), age(e.At, now), e.Node, e.Reason)
	}
	return text
}

func state(n status.Node) string {
	switch {
	case n.ProbeErr != "":
		return n.State + ", probe: " + n.ProbeErr
	case n.Ejected:
		return n.State + ", ejected"
	}
	return n.State
}

func age(since, now time.Time) string {
	if since.IsZero() {
		return "-"
	}
	switch d := now.Sub(since); {
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func positive(n int) string {
	if n <= 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func latency(ms float64) string {
	if ms == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1fms", ms)
}
