package plan

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tenfold-go/tenfold/internal/report"
)

// WriteText writes the plan for people: a section per topic, each with its answer, its reasons and what would change it.
func (a *Answer) WriteText(w io.Writer) error {
	var b bytes.Buffer
	for _, s := range a.sections() {
		fmt.Fprintf(&b, "%s\n", headline(s))
		for _, group := range s.groups {
			for i, text := range group.texts {
				label := ""
				if i == 0 {
					label = group.label
				}
				writeWrapped(&b, label, text)
			}
		}
		fmt.Fprintln(&b)
	}
	b.Truncate(b.Len() - 1) // the last empty line
	_, err := w.Write(b.Bytes())
	return err
}

func headline(s section) string {
	return fmt.Sprintf("%-13s %s", strings.ToUpper(s.about), s.answer)
}

// section is one topic of a plan, ready to be printed.
type section struct {
	about  string
	answer string
	groups []group
}

type group struct {
	label string
	texts []string
}

// sections are all topics that there is something to say of.
func (a *Answer) sections() (sections []section) {
	for _, about := range topics {
		s := section{about: about, answer: a.headline(about)}
		for _, g := range []struct {
			label string
			notes []Note
		}{
			{"because", a.Reasons}, {"careful", a.Warnings}, {"assumed", a.Assumed}, {"would change", a.Changes},
			{"not known", a.Unknown},
		} {
			var of []Note
			for _, n := range g.notes {
				if n.About == about && !slices.Contains(of, n) {
					of = append(of, n)
				}
			}
			if len(of) > 0 {
				s.groups = append(s.groups, group{g.label, texts(of)})
			}
		}
		if about == aboutStrategy && a.Direction != nil && len(a.Moves) > 0 {
			var texts []string
			for _, m := range a.Moves {
				texts = append(texts, m.What+" → "+m.Where)
			}
			s.groups = append(s.groups, group{"move", texts})
		}
		switch {
		case s.answer == "" && len(s.groups) == 0:
			continue
		case s.answer == "":
			s.answer = "not known"
		}
		sections = append(sections, s)
	}
	return sections
}

// headline is the answer to a topic in one line.
func (a *Answer) headline(about string) string {
	switch {
	case about == aboutGrowth && a.Forecast != nil:
		return a.Forecast.headline(a.Inputs)
	case about == aboutNodes && a.Fleet != nil:
		return a.Fleet.headline(a.Inputs)
	case about == aboutNodes && a.Fit != nil:
		return a.Fit.headline(a.Inputs)
	case about == aboutStrategy && a.Direction != nil:
		return a.Direction.headline()
	case about == aboutDatabase && a.Database != nil:
		return a.Database.headline()
	case about == aboutAvailability && a.Uptime != nil:
		return fmt.Sprintf("%s: away for %s a year", nines(a.Availability), span(a.DowntimeYear))
	case about == aboutCost && a.Cost != nil:
		return fmt.Sprintf("about $%s an hour, $%s a month (%d hours), at prices of %s",
			report.Number(a.PerHour), report.Number(a.Cost.PerMonth), hoursPerMonth, a.AsOf)
	}
	return ""
}

func (f *Forecast) headline(q Question) string {
	text := "a peak of " + q.rate(f.PeakRPS)
	if f.Users > 0 {
		text = fmt.Sprintf("%s users, %s requests a day, ", report.Number(float64(f.Users)), report.Number(f.RequestsPerDay)) + text
	}
	return text
}

func (f *Fleet) headline(q Question) string {
	if !f.Reachable {
		return "no number of nodes reaches " + q.rate(f.RequiredRPS)
	}
	text := report.Count(f.Nodes, "node")
	if f.Spares > 0 {
		text += fmt.Sprintf(" (%d for the peak, %s)", f.Carrying, report.Count(f.Spares, "spare"))
	}
	switch {
	case f.atMost && f.NodesHigh != f.Nodes:
		text += fmt.Sprintf(", %d at most: the knee is a lower bound", f.NodesHigh)
	case f.atMost:
		text += " at most: the knee is a lower bound"
	case f.NodesLow == 0:
		text += ", interval not known"
	case !f.fitted && f.NodesLow != f.NodesHigh:
		text += fmt.Sprintf(", %d to %d within the limits of the knee", f.NodesLow, f.NodesHigh)
	case f.NodesHigh == 0:
		text += fmt.Sprintf(", 95%% interval: %d or more", f.NodesLow)
	case f.NodesLow != f.Nodes || f.NodesHigh != f.Nodes:
		text += fmt.Sprintf(", 95%% interval: %d to %d", f.NodesLow, f.NodesHigh)
	}
	return text
}

func (f *Fit) headline(q Question) string {
	if nodes, rps := f.Peak(); !math.IsInf(nodes, 1) {
		return fmt.Sprintf("the curve peaks at %s nodes with %s", report.Number(math.Round(nodes)), q.rate(rps))
	} else if !math.IsInf(rps, 1) {
		return "the curve never passes " + q.rate(rps)
	}
	return "the curve is a straight line"
}

func (d *Direction) headline() string {
	if d.Strategy == ScaleUp {
		return d.Strategy + " to " + d.to.String()
	}
	return d.Strategy
}

func (d *Database) headline() string {
	switch d.Strategy {
	case ReadReplicas:
		return fmt.Sprintf("%s: a primary and %s", d.Strategy, report.Count(d.Replicas, "replica"))
	case Federation:
		return fmt.Sprintf("%s: %d databases on %s, %s each; a domain is sharded above %s",
			d.Strategy, len(d.Domains), primaries(d.Primaries), report.Count(d.Replicas, "replica"), Bytes(d.ShardAbove))
	case Sharding:
		return fmt.Sprintf("%s: %s, %s each", d.Strategy, report.Count(d.Shards, "shard"), report.Count(d.Replicas, "replica"))
	}
	if d.Connections.Pool > 0 {
		return "up to " + report.Count(d.Connections.Total, "connection") + " to one server"
	}
	return "pools of up to " + report.Count(d.Connections.LargestPool, "connection")
}

func primaries(n int) string {
	if n == 1 {
		return "1 primary"
	}
	return report.Number(float64(n)) + " primaries"
}

const (
	textWidth  = 110
	textIndent = 14 // of the sentences; the labels stand before it
)

// writeWrapped writes "  label  - text", wrapped, so that all texts begin in the same column.
func writeWrapped(b *bytes.Buffer, label, text string) {
	line := fmt.Sprintf("  %-*s", textIndent, label)
	width := utf8.RuneCountInString(line)
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		if i > 0 && width+1+n > textWidth {
			fmt.Fprintf(b, "%s\n", strings.TrimRight(line, " "))
			line = strings.Repeat(" ", textIndent+4)
			width = utf8.RuneCountInString(line)
		} else if i > 0 {
			line += " "
			width++
		}
		line += word
		width += n
	}
	fmt.Fprintf(b, "%s\n", strings.TrimRight(line, " "))
}
