package render

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/report"
)

// row is a row of a table of steps.
type row struct {
	Cells  []string
	State  state
	Remark string // the state in words
}

// state is what a row says about its step. It is also the CSS class of the row in the page.
type state string

const (
	noState    state = ""
	incomplete state = "incomplete"
	invalid          = state(curve.Invalid)
)

// byRate returns the steps in the order of their rates.
func byRate(steps []curve.Step) []curve.Step {
	compare := func(a, b curve.Step) int { return cmp.Compare(a.Offered, b.Offered) }
	return slices.SortedStableFunc(slices.Values(steps), compare)
}

// deciding returns the last of the steps at each rate: its verdict takes the others into account.
func deciding(steps []curve.Step) (last []curve.Step) {
	for i, s := range steps {
		if i == len(steps)-1 || steps[i+1].Offered != s.Offered {
			last = append(last, s)
		}
	}
	return last
}

// stepHead returns the heads of the columns of stepRows.
func stepHead(steps []curve.Step) []string {
	first := "offered"
	if len(steps) > 0 && steps[0].Users > 0 {
		first = "users"
	}
	return []string{first, "achieved", "p50", "p90", "p99", "p99.9", "max", "service p99", "errors", ""}
}

// stepRows returns one row for each step, and one for the merged result of several steps at one rate.
func stepRows(steps []curve.Step) (rows []row) {
	short := report.Short
	for i := range steps {
		s := &steps[i]
		offered := short(s.Offered)
		if s.Users > 0 {
			offered = strconv.Itoa(s.Users)
		}
		cells := []string{offered, short(s.Achieved), short(s.P50), short(s.P90), short(s.P99), short(s.P999), short(s.Max),
			short(s.Service.P99), report.Percent(s.Errors)}
		m, st := s.Merged, stepState(s)
		if m == nil {
			rows = append(rows, row{cells, st, st.text()})
		} else {
			rows = append(rows, row{cells, noState, "merged below"})
			cells := []string{offered, short(m.Achieved), short(m.P50), short(m.P90), short(m.P99), short(m.P999), short(m.Max),
				"", report.Percent(m.Errors)}
			rows = append(rows, row{cells, st, st.text() + ", " + mergedText(m)})
		}
	}
	return rows
}

// stepState returns the state of a step: its verdict, wherever the step is shown. If several steps were merged for the
// verdict, it is the state of the merged result. A step that passed although the generator was late has passed; the
// remarks say what is doubtful about it.
func stepState(s *curve.Step) state {
	switch {
	case s.Incomplete:
		return incomplete
	case s.Verdict != nil:
		return state(s.Outcome())
	case !s.Valid:
		return invalid
	}
	return noState
}

// text returns the state in words. A failure is in capitals, because it matters most.
func (s state) text() string {
	if s == state(curve.Fail) {
		return "FAIL"
	}
	return string(s)
}

func mergedText(m *curve.Merged) string {
	if m.Steps == m.Of {
		return fmt.Sprintf("all %d merged", m.Of)
	}
	return fmt.Sprintf("%d of %d merged", m.Steps, m.Of)
}

// remarks returns what a row of the table cannot show.
func remarks(s *curve.Step) (all []string) {
	at := report.Short(s.Offered)
	if s.Users > 0 {
		at = strconv.Itoa(s.Users) + " users"
	}
	add := func(format string, args ...any) { all = append(all, "at "+at+": "+fmt.Sprintf(format, args...)) }
	if !passes(s) {
		add("%s", s.Verdict.Reason)
	}
	if !s.Valid && s.Outcome() != curve.Invalid { // the reason of an invalid verdict contains that of the step
		add("not valid: %s", s.InvalidReason)
	}
	if s.RecoverySeconds >= 1 {
		add("the target took %.0f s to recover from the previous step", s.RecoverySeconds)
	}
	if !s.Steady && !s.Incomplete {
		add("not steady after a warm-up of %.0f s", s.WarmupSeconds)
	}
	if s.AchievedMargin > 0 {
		add("the duration is short compared with the visits: the achieved rate is known to ±%.0f%%", 100*s.AchievedMargin)
	}
	if s.Repeated > 0 {
		add("%s sent again on a new connection: the target closed the kept one before any byte of the response",
			report.Count(int(s.Repeated), "request"))
	}
	if len(s.ErrorKinds) > 0 {
		add("%s", errorsText(s.ErrorKinds))
	}
	return all
}

// errorsText returns the five most frequent kinds of errors.
func errorsText(kinds map[curve.ErrorKind]int64) string {
	sorted := slices.SortedFunc(maps.Keys(kinds), func(x, y curve.ErrorKind) int {
		return cmp.Or(cmp.Compare(kinds[y], kinds[x]), cmp.Compare(x, y))
	})
	var parts []string
	for _, k := range sorted[:min(len(sorted), 5)] {
		parts = append(parts, fmt.Sprintf("%d × %s", kinds[k], k))
	}
	return strings.Join(parts, ", ")
}

// Step returns the result of a step in one line: the values that its verdict is about, and the state that the tables
// show.
func Step(s *curve.Step) string {
	load := report.Short(s.Offered) + "/s"
	if s.Users > 0 {
		load = strconv.Itoa(s.Users) + " users"
	}
	m := s.Overall()
	text := fmt.Sprintf("%s: p99 %s ms, %s errors", load, report.Short(m.P99), report.Percent(m.Errors))
	if s.Merged != nil {
		text += ", " + mergedText(s.Merged)
	}
	switch st := stepState(s); {
	case st == noState:
		return text
	case st == state(curve.Pass) || s.Verdict == nil:
		return text + ": " + string(st)
	default:
		return fmt.Sprintf("%s: %s: %s", text, st, s.Verdict.Reason)
	}
}

// journeyHead is the heads of the columns of journeyCells.
var journeyHead = []string{"requests", "p50", "p99", "errors", ""}

func journeyCells(j curve.StepStats) []string {
	return []string{report.Short(float64(j.Requests)), report.Short(j.P50), report.Short(j.P99), report.Percent(j.Errors)}
}

func slower(a, b curve.StepStats) int { return cmp.Compare(a.P99, b.P99) }

// shownStep returns the step whose journey is shown: the step at the knee, or else the last one. It returns nil if no
// step has a journey.
func shownStep(d *curve.Document) (shown *curve.Step) {
	for i := range d.Steps {
		s := &d.Steps[i]
		atKnee := d.Knee != nil && shown != nil && shown.Offered == d.Knee.Rate && s.Offered != d.Knee.Rate
		if len(s.Journey) > 0 && !atKnee {
			shown = s
		}
	}
	return shown
}

// journeyTitle says at which load the journey is shown.
func journeyTitle(s *curve.Step) string {
	if s.Users > 0 {
		return fmt.Sprintf("the journey at %d users", s.Users)
	}
	return "the journey at " + report.Short(s.Offered) + "/s"
}

// kneeText returns the knee with its limits.
func kneeText(k curve.Knee, unit curve.Unit) string {
	text := report.Short(k.Rate) + " " + string(unit)
	switch {
	case k.High > 0 && k.Low > 0:
		text += fmt.Sprintf(" (passed at %s, failed at %s)", report.Short(k.Low), report.Short(k.High))
	case k.High > 0:
		text += fmt.Sprintf(" (failed at %s)", report.Short(k.High))
	}
	return text
}

// sizeHead is the heads of the columns of sizeCells.
var sizeHead = []string{"nodes", "knee", "passed at", "failed at", "per node"}

func sizeCells(s curve.Size) []string {
	nodes, k := strconv.Itoa(s.Nodes), s.Knee
	if k == nil {
		return []string{nodes, "-", "-", "-", "-"}
	}
	known := func(rate float64) string {
		if rate == 0 {
			return "-"
		}
		return report.Short(rate)
	}
	bound := ""
	if k.High == 0 {
		bound = "≥ "
	}
	perNode := k.Rate / float64(s.Nodes)
	return []string{nodes, bound + report.Short(k.Rate), known(k.Low), known(k.High), bound + report.Short(perNode)}
}

func sizeName(s curve.Size) string { return report.Count(s.Nodes, "node") }
