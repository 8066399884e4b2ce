package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/tenfold-go/tenfold/internal/report"
	"github.com/tenfold-go/tenfold/internal/status"
)

type statusCmd struct {
	adminFlags
	JSON bool `name:"json" help:"Print one JSON document with services, nodes, routes, certificates and the store."`
}

func (cmd statusCmd) Run(ctx context.Context, t *terminal) error {
	var d statusDocument
	for path, result := range map[string]any{
		"/api/services": &d.Services, "/api/nodes": &d.Nodes, "/api/routes": &d.Routes, "/api/store": &d.Store,
		"/api/certificates": &d.Certificates,
	} {
		if err := cmd.get(ctx, path, result); err != nil {
			return err
		}
	}
	if cmd.JSON {
		e := json.NewEncoder(t.stdout)
		e.SetIndent("", "  ")
		return e.Encode(d)
	}
	return d.print(t.stdout, time.Now())
}

// statusDocument is what the admin API knows of a running tenfold.
type statusDocument struct {
	Store    status.Store     `json:"store"`
	Services []status.Service `json:"services"`
	Nodes    []status.Node    `json:"nodes"`

	Certificates []status.Certificate `json:"certificates"`

	Routes []status.Route `json:"routes"`
}

// print writes each service with its nodes below it, and the store if it does not answer.
func (d statusDocument) print(w io.Writer, now time.Time) error {
	for i, s := range d.Services {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s: %d of %d ready%s%s\n", s.Name, s.Ready, s.Wanted, versions(s), problems(s, now))
		if !slices.ContainsFunc(d.Nodes, func(n status.Node) bool { return n.Service == s.Name }) {
			continue
		}
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		deployed := versions(s) != ""
		fmt.Fprintf(tw, "  node\tstate\taddress\tpid\tup\tin flight\trequests\tfailures\tlatency%s\n", column(deployed, "version"))
		for _, n := range d.Nodes {
			if n.Service == s.Name {
				fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s%s\n", n.ID, stateOf(n), cmp.Or(n.Address, "-"), pidOf(n),
					age(n.Started, now), n.InFlight, n.Requests, n.Failures, latencyOf(n), column(deployed, orDash(n.Version)))
			}
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	if err := printCertificates(w, d.Certificates, now); err != nil {
		return err
	}
	if s := d.Store; !s.Up {
		_, err := fmt.Fprintf(w, "\nstore %s: DOES NOT ANSWER, for %s: %s\n", s.Description, age(s.Since, now), s.Err)
		return err
	}
	return nil
}

// versions says what a service runs, unless all its nodes run what the file said at the start.
func versions(s status.Service) (text string) {
	if s.Version > 1 || s.RolledBack || s.Canary != nil {
		text = fmt.Sprintf(", version %d", s.Version)
	}
	if s.RolledBack {
		text += " (rolled back)"
	}
	if c := s.Canary; c != nil {
		text += fmt.Sprintf(", version %d on %s of the requests", c.Version, report.Percent(c.Share))
	}
	return text
}

// problems describes what is unusual about a service, to stand behind its number of ready nodes.
func problems(s status.Service, now time.Time) (text string) {
	switch s.Operation {
	case "":
	case "restart":
		text += ", restarting"
	default:
		text += ", " + s.Operation + " is running"
	}
	if s.WaitsFor != "" {
		text += ", waits for " + s.WaitsFor
	}
	if s.Finished > 0 {
		text += fmt.Sprintf(", %d finished", s.Finished)
	}
	if s.Breaker == "open" || s.Breaker == "half-open" {
		text += ", circuit breaker " + s.Breaker
	}
	if s.CrashLoop {
		text += ", CRASH LOOP"
	}
	if two := s.TwoNodes; two != nil {
		text += fmt.Sprintf(", NOT READY FOR TWO NODES: each node sets the cookie %s again, see %s", two.Cookie, two.Page)
	}
	if e := s.LastExit; e != nil {
		text += fmt.Sprintf("; %s so far, the last %s ago: %s, %s",
			report.Count(s.Restarts, "restart"), age(e.At, now), e.Node, e.Reason)
	}
	return text
}

func stateOf(n status.Node) string {
	text := n.State
	switch {
	case n.ProbeErr != "":
		text += ", probe: " + n.ProbeErr
	case n.Ejected:
		text += ", ejected"
	}
	if n.Hung {
		text += ", hung"
	}
	return text
}

func pidOf(n status.Node) string {
	return orDash(n.PID)
}

// column is a further column of a table, if it is shown.
func column(shown bool, text string) string {
	if !shown {
		return ""
	}
	return "\t" + text
}

// orDash is a number, or "-" if there is none.
func orDash(n int) string {
	if n <= 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func latencyOf(n status.Node) string {
	if n.LatencyMS == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1fms", n.LatencyMS)
}

// age is the time from since to now in one unit: 59s, 59m, 47h, 2d.
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
