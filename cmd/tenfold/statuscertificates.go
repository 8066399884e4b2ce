package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tenfold-go/tenfold/internal/report"
	"github.com/tenfold-go/tenfold/internal/status"
)

// printCertificates writes one line per certificate, and below it why it is missing or not renewed.
func printCertificates(w io.Writer, all []status.Certificate, now time.Time) error {
	if len(all) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\ncertificates: %d\n", len(all))
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "  names\tsource\texpires\n")
	for _, c := range all {
		fmt.Fprintf(tw, "  %s\t%s\t%s\n", list(c.Names), c.Source, expiry(c, now))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, c := range all {
		if c.Err == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "  %s: NOT ORDERED: %s (next try in %s)\n", list(c.Names), oneLine(c.Err),
			report.Duration(max(c.RetryAt.Sub(now), 0).Round(time.Second))); err != nil {
			return err
		}
	}
	return nil
}

// expiry says when a certificate expires, and how soon.
func expiry(c status.Certificate, now time.Time) string {
	left := c.Expires.Sub(now)
	switch {
	case c.Expires.IsZero():
		return "no certificate yet"
	case left < 0:
		return c.Expires.UTC().Format(time.DateOnly) + ", EXPIRED"
	case left < 48*time.Hour:
		return c.Expires.UTC().Format("2006-01-02 15:04") + ", in " + age(now, c.Expires)
	}
	return fmt.Sprintf("%s, in %s", c.Expires.UTC().Format(time.DateOnly), age(now, c.Expires))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
