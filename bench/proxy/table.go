//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// writeJSON writes the report as one JSON document.
func (r *report) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// writeTable writes the report for people.
func (r *report) writeTable(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.Cores)
	if len(r.Results) > 0 {
		fmt.Fprintf(&b, "generator: %s; median of %d rounds of %s, lowest and highest in brackets\n", r.Generator,
			r.Rounds, r.Window)
	}
	for _, v := range r.Versions {
		fmt.Fprintf(&b, "%s\n", v)
	}
	for _, m := range r.Missing {
		fmt.Fprintf(&b, "missing: %s (%s)\n", m.Proxy, m.Why)
	}
	r.writeResults(&b)
	r.writeIdle(&b)
	_, err := io.WriteString(out, b.String())
	return err
}

// writeResults writes a table for each case.
func (r *report) writeResults(b *strings.Builder) {
	var t *tabwriter.Writer
	for i, x := range r.Results {
		if i == 0 || r.Results[i-1].Case != x.Case {
			if t != nil {
				t.Flush()
			}
			fmt.Fprintf(b, "\n%s\n", caseText(x.Case))
			t = tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "proxy\taccess log\tCPU µs/request\t×nginx\trequests/s\tp50 ms\tp99 ms\tRSS MiB\terrors\t")
		}
		ratio := "-"
		if x.ToNginx > 0 {
			ratio = fmt.Sprintf("%.2f", x.ToNginx)
		}
		fmt.Fprintf(t, "%s\t%s\t%.1f [%.1f-%.1f]\t%s\t%.0f [%.0f-%.0f]\t%.2f\t%.2f\t%.1f\t%d\t\n", x.Proxy,
			onOff(x.Log), x.CPU.Median, x.CPU.Low, x.CPU.High,
			ratio, x.Rate.Median, x.Rate.Low, x.Rate.High, x.P50.Median, x.P99.Median, x.MemoryMiB, x.Errors)
	}
	if t != nil {
		t.Flush()
	}
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// caseText returns the name and the description of a case.
func caseText(name string) string {
	for _, c := range allCases() {
		if c.name == name {
			return c.name + ": " + c.text
		}
	}
	return name
}

// writeIdle writes the table of idle connections.
func (r *report) writeIdle(b *strings.Builder) {
	if len(r.Idle) == 0 {
		return
	}
	b.WriteString("\nidle keep-alive connections, each after one request\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "proxy\tconnections\tRSS before MiB\tRSS MiB\tKiB per connection\t")
	for _, x := range r.Idle {
		fmt.Fprintf(t, "%s\t%d\t%.1f\t%.1f\t%.2f\t\n", x.Proxy, x.Connections, x.BeforeMiB, x.MemoryMiB, x.PerConnKiB)
	}
	t.Flush()
}
