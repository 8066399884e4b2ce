package plan

import (
	"fmt"
	"math"
	"slices"

	"github.com/tenfold-go/tenfold/internal/queueing"
	"github.com/tenfold-go/tenfold/internal/report"
)

// section is one topic of a plan as text.
type section struct {
	Topic  string
	Answer string
	Groups []group
}

// group is a labelled list of sentences.
type group struct {
	Label string
	Texts []string
}

// sections returns the topics for which the plan has an answer or a note, in the words of t.
func (p *Plan) sections(t Terms) (sections []section) {
	e := p.Explain()
	for _, topic := range topics {
		s := section{Topic: string(topic), Answer: p.headline(topic)}
		for _, g := range []struct {
			label string
			notes []Note
		}{
			{"because", e.Reasons}, {"careful", e.Warnings}, {"assumed", e.Assumed}, {"would change", e.Changes},
			{"not known", e.Unknown},
		} {
			s.add(g.label, about(topic, g.notes, t))
		}
		if topic == TopicStrategy && p.Strategy != nil {
			s.add("move", moveTexts(p.Strategy.Moves))
		}
		if s.Answer == "" && len(s.Groups) == 0 {
			continue
		}
		if s.Answer == "" {
			s.Answer = "not known"
		}
		sections = append(sections, s)
	}
	return sections
}

func (s *section) add(label string, texts []string) {
	if len(texts) > 0 {
		s.Groups = append(s.Groups, group{label, texts})
	}
}

// about returns the texts of the notes on one topic, each text once.
func about(topic Topic, notes []Note, t Terms) (texts []string) {
	for _, n := range notes {
		if text := n.Text(t); n.Topic == topic && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts
}

func moveTexts(moves []Move) (texts []string) {
	for _, m := range moves {
		texts = append(texts, m.What+" → "+m.Where)
	}
	return texts
}

// headline returns the answer to a topic in one line, or "" if the plan has none.
func (p *Plan) headline(topic Topic) string {
	switch {
	case topic == TopicGrowth && p.Forecast != nil:
		return forecastHeadline(p.Forecast, p.Inputs)
	case topic == TopicNodes && p.Fleet != nil:
		return fleetHeadline(p.Fleet, p.Inputs)
	case topic == TopicNodes && p.Fit != nil:
		if p.capacity.rise != nil {
			return fmt.Sprintf("the curve is %s up to %s", p.capacity.shape(), report.Count(p.capacity.measured(), "node"))
		}
		return fitHeadline(p.Fit, p.Inputs)
	case topic == TopicStrategy && p.Strategy != nil:
		return strategyHeadline(p.Strategy)
	case topic == TopicDatabase && p.Database != nil:
		return databaseHeadline(p.Database)
	case topic == TopicAvailability && p.Availability != nil:
		return fmt.Sprintf("%s: down for %s a year", nines(p.Availability.Availability),
			seconds(p.Availability.DowntimeYear))
	case topic == TopicCost && p.Cost != nil:
		return fmt.Sprintf("about $%s an hour, $%s a month (%d hours), at prices of %s",
			report.Number(p.Cost.PerHour), report.Number(p.Cost.PerMonth), hoursPerMonth, p.Cost.AsOf)
	}
	return ""
}

func forecastHeadline(f *Forecast, in Inputs) string {
	text := "a peak of " + in.rate(f.PeakRPS)
	if f.Users > 0 {
		text = fmt.Sprintf("%s users, %s requests a day, ", report.Number(float64(f.Users)),
			report.Number(f.RequestsPerDay)) + text
	}
	return text
}

func fleetHeadline(f *Fleet, in Inputs) string {
	if f.Undetermined {
		return fmt.Sprintf("not known: the measured sizes, up to %d nodes, do not reach %s", f.capacity.measured(),
			in.rate(f.RequiredRPS))
	}
	if !f.Reachable {
		return "no number of nodes reaches " + in.rate(f.RequiredRPS)
	}
	text := report.Count(f.Nodes, "node")
	if f.Spares > 0 {
		text += fmt.Sprintf(" (%d for the peak, %s)", f.Carrying, report.Count(f.Spares, "spare"))
	}
	lowerBound := f.capacity.isLowerBound()
	switch {
	case lowerBound && f.NodesHigh != f.Nodes:
		text += fmt.Sprintf(", %d at most: the knee is a lower bound", f.NodesHigh)
	case lowerBound:
		text += " at most: the knee is a lower bound"
	case f.NodesLow == 0:
		text += ", interval not known"
	case f.capacity.fit == nil && f.NodesLow != f.NodesHigh:
		text += fmt.Sprintf(", %d to %d within the limits of the knee", f.NodesLow, f.NodesHigh)
	case f.NodesHigh == 0:
		text += fmt.Sprintf(", 95%% interval: %d or more", f.NodesLow)
	case f.NodesLow != f.Nodes || f.NodesHigh != f.Nodes:
		text += fmt.Sprintf(", 95%% interval: %d to %d", f.NodesLow, f.NodesHigh)
	}
	return text
}

func fitHeadline(f *queueing.Fit, in Inputs) string {
	if nodes, rate := f.Peak(); !math.IsInf(nodes, 1) {
		return fmt.Sprintf("the curve peaks at %s nodes with %s", report.Number(math.Round(nodes)), in.rate(rate))
	} else if !math.IsInf(rate, 1) {
		return "the curve stays below " + in.rate(rate)
	}
	return "the curve is a straight line"
}

func strategyHeadline(s *Strategy) string {
	if s.Kind == ScaleUp {
		return string(s.Kind) + " to " + s.to.String()
	}
	return string(s.Kind)
}

func databaseHeadline(d *Database) string {
	replicas := report.Count(d.Replicas, "replica")
	switch d.Strategy {
	case ReadReplicas:
		return fmt.Sprintf("%s: a primary and %s", d.Strategy, replicas)
	case Federation:
		primaries := "1 primary"
		if d.Primaries != 1 {
			primaries = report.Number(float64(d.Primaries)) + " primaries"
		}
		return fmt.Sprintf("%s: %d databases on %s, %s each; a domain is sharded above %s",
			d.Strategy, len(d.Domains), primaries, replicas, Bytes(d.ShardAbove))
	case Sharding:
		return fmt.Sprintf("%s: %s, %s each", d.Strategy, report.Count(d.Shards, "shard"), replicas)
	}
	if d.Connections.Pool > 0 {
		return "up to " + report.Count(d.Connections.Total, "connection") + " to one server"
	}
	return "pools of up to " + report.Count(d.Connections.LargestPool, "connection")
}
