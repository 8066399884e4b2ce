package plan

import (
	"math"

	"github.com/tenfold-go/tenfold/internal/queueing"
	"github.com/tenfold-go/tenfold/internal/report"
)

// Explanation is what a plan says in sentences. It is made from the values of the plan and decides nothing.
type Explanation struct {
	Reasons  []Note // why each answer is what it is
	Changes  []Note // what would change it
	Warnings []Note // what needs care
	Assumed  []Note // which defaults were used, and the input that replaces each
	Unknown  []Note // what could not be answered, and what it needs
}

// Note is a sentence about one topic.
type Note struct {
	Topic Topic
	Sentence
}

// Topic is a part of a plan. Its value is the name of its section.
type Topic string

const (
	TopicGrowth       Topic = "growth"
	TopicNodes        Topic = "nodes"
	TopicStrategy     Topic = "strategy"
	TopicDatabase     Topic = "database"
	TopicAvailability Topic = "availability"
	TopicCost         Topic = "cost"
)

// topics are all topics in the order of the sections.
var topics = []Topic{TopicGrowth, TopicNodes, TopicStrategy, TopicDatabase, TopicAvailability, TopicCost}

func (e *Explanation) because(about Topic, format string, args ...any) {
	e.Reasons = append(e.Reasons, Note{about, newSentence(format, args...)})
}

func (e *Explanation) change(about Topic, format string, args ...any) {
	e.Changes = append(e.Changes, Note{about, newSentence(format, args...)})
}

func (e *Explanation) warn(about Topic, format string, args ...any) {
	e.Warnings = append(e.Warnings, Note{about, newSentence(format, args...)})
}

func (e *Explanation) assume(about Topic, format string, args ...any) {
	e.Assumed = append(e.Assumed, Note{about, newSentence(format, args...)})
}

func (e *Explanation) unknown(about Topic, format string, args ...any) {
	e.Unknown = append(e.Unknown, Note{about, newSentence(format, args...)})
}

// forecast explains the growth.
func (e *Explanation) forecast(p *Plan) {
	f, in := p.Forecast, p.Inputs
	switch {
	case f == nil:
		return
	case in.Users > 0:
		e.users(f, in)
	default:
		e.because(TopicGrowth, "%s today, with %s growth a month for %d months, is %s × %s = %s",
			in.rate(f.today), report.Percent(f.Growth), f.Months, report.Number(f.today), report.Number(f.Factor),
			in.rate(f.PeakRPS))
	}
	if f.Growth > 0 && f.Months > 0 {
		slower, faster := f.Growth/2, f.Growth*1.5
		e.change(TopicGrowth, "the growth: with %s a month the factor is %s, with %s it is %s",
			report.Percent(slower), report.Number(growthFactor(slower, f.Months)),
			report.Percent(faster), report.Number(growthFactor(faster, f.Months)))
	}
}

// users explains the rates that the users cause.
func (e *Explanation) users(f *Forecast, in Inputs) {
	if in.RequestsPerUser == 0 {
		e.assume(TopicGrowth, "a user sends %s requests a day (%s)", report.Number(f.perUser), FieldRequestsPerUser)
	}
	if in.PeakFactor == 0 {
		e.assume(TopicGrowth, "the busiest minute has %s times the mean rate of the day (%s)",
			report.Number(f.peakFactor), FieldPeakFactor)
	}
	if f.Months > 0 {
		e.because(TopicGrowth, "%s users, with %s growth a month for %d months, are %s users",
			report.Number(float64(in.Users)), report.Percent(f.Growth), f.Months, report.Number(float64(f.Users)))
	}
	e.because(TopicGrowth, "%s users with %s requests a day each send %s requests a day: a mean of %s rps, a peak "+
		"of %s rps",
		report.Number(float64(f.Users)), report.Number(f.perUser), report.Number(f.RequestsPerDay),
		report.Number(f.MeanRPS),
		report.Number(f.requestPeak))
	switch {
	case in.countsVisits() && f.perVisit > 0:
		e.because(TopicGrowth, "the load document counts visits of %s requests each: the peak is %s",
			perVisit(f.perVisit), in.rate(f.requestPeak/f.perVisit))
	case in.countsVisits():
		e.warn(TopicGrowth, "the load document counts visits and does not say how many requests a visit made: the "+
			"plan takes each request for a visit")
	}
	if in.PeakRPS > 0 {
		e.because(TopicGrowth, "the plan uses the given peak, %s, and not the peak of the users",
			in.rate(float64(in.PeakRPS)))
	}
}

// perVisit writes the number of requests of a visit with one decimal.
func perVisit(requests float64) string { return report.Number(math.Round(10*requests) / 10) }

// interval writes both ends of an interval.
func interval(i queueing.Interval) string {
	if math.IsInf(i.High, 1) {
		return report.Number(i.Low) + " or more"
	}
	return report.Number(i.Low) + " to " + report.Number(i.High)
}
