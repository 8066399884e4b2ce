package render

import (
	"slices"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/curve"
)

func text(t *testing.T, d *curve.Document) string {
	t.Helper()
	var b strings.Builder
	if err := Text(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func wantText(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
}

// A bar of twice the length is twice the latency. A failed step does not shorten the bars of the others.
func TestBarsBeginAtZero(t *testing.T) {
	pass, fail := &curve.Verdict{Outcome: curve.Pass}, &curve.Verdict{Outcome: curve.Fail}
	var b strings.Builder
	writeBars(&b, []curve.Step{{Offered: 10, P99: 120, Verdict: pass}, {Offered: 20, P99: 150, Verdict: pass}}, nil)
	wantText(t, b.String(), " "+strings.Repeat("#", 32)+" 120\n", " "+strings.Repeat("#", 40)+" 150\n")
	b.Reset()
	writeBars(&b, []curve.Step{{Offered: 10, P99: 100, Verdict: pass}, {Offered: 20, P99: 10_000, Verdict: fail}}, nil)
	wantText(t, b.String(), " ########## 100\n", strings.Repeat("!", 39)+"> 10,000\n")
}

// The steps of a fleet size are shown only if they are needed to understand why its knee is not exact.
func TestSizesWithoutAnExactKneeShowTheirSteps(t *testing.T) {
	const late = "no step is credible: the generator was late"
	objective, err := curve.ParseObjective("p99=1s")
	if err != nil {
		t.Fatal(err)
	}
	d := &curve.Document{Unit: curve.Requests, Objective: objective, Scaling: []curve.Size{
		{Nodes: 1, Knee: &curve.Knee{Rate: 10, Low: 10, High: 11}, Steps: []curve.Step{{Offered: 11}}},
		{Nodes: 2, Knee: &curve.Knee{Rate: 20, Low: 20}, End: "passed at 20; at 25: " + late,
			Steps: []curve.Step{{Offered: 25, Verdict: &curve.Verdict{Outcome: curve.Invalid, Reason: late},
				InvalidReason: "the generator was late"}}},
		{Nodes: 3, End: "the objective failed at the lowest rate, 12",
			Steps: []curve.Step{{Offered: 12, Verdict: &curve.Verdict{Outcome: curve.Fail, Reason: "p99 2s, limit 1s"}}}},
	}}
	got := text(t, d)
	wantText(t, got, "≥ 20", "2 nodes: passed at 20", "at 25: "+late+"\n", "3 nodes: the objective failed",
		"at 12: p99 2s, limit 1s")
	if strings.Contains(got, "1 node:") {
		t.Errorf("the text shows the steps of an exact knee:\n%s", got)
	}
	if strings.Contains(got, "at 25: not valid") {
		t.Errorf("the text gives the reason of an invalid step twice:\n%s", got)
	}
}

// Only the row of the merged result shows the verdict about several steps, also if one of them alone is doubtful.
func TestMergedStepsHaveOneVerdict(t *testing.T) {
	s := curve.Step{Offered: 50, P99: 120, Valid: true, Steady: true, Verdict: &curve.Verdict{Outcome: curve.Pass},
		Merged: &curve.Merged{Steps: 2, Of: 3, P99: 99}}
	rows := stepRows([]curve.Step{s})
	s.Valid = false
	if doubtful := stepRows([]curve.Step{s}); doubtful[0].State != noState || doubtful[1].State != state(curve.Pass) {
		t.Errorf("%+v", doubtful)
	}
	s.Valid = true
	if len(rows) != 2 || rows[0].State != noState || rows[0].Remark != "merged below" || rows[1].State != state(curve.Pass) ||
		rows[1].Remark != "pass, 2 of 3 merged" {
		t.Errorf("%+v", rows)
	}
	s.Merged.Steps = 3
	wantText(t, text(t, &curve.Document{Unit: curve.Requests, Steps: []curve.Step{s}}), "pass, all 3 merged\n")
}

func TestStepStates(t *testing.T) {
	for _, test := range []struct {
		name string
		step curve.Step
		want state
	}{
		{"valid, without an objective", curve.Step{Valid: true}, noState},
		{"invalid, without an objective", curve.Step{}, invalid},
		{"pass", curve.Step{Valid: true, Verdict: &curve.Verdict{Outcome: curve.Pass}}, state(curve.Pass)},
		{"pass in an invalid step", curve.Step{Verdict: &curve.Verdict{Outcome: curve.Pass}}, state(curve.Pass)},
		{"fail in an invalid step", curve.Step{Verdict: &curve.Verdict{Outcome: curve.Fail}}, state(curve.Fail)},
		{"fail of a merged result", curve.Step{Valid: true, Verdict: &curve.Verdict{Outcome: curve.Fail},
			Merged: &curve.Merged{}}, state(curve.Fail)},
		{"interrupted", curve.Step{Incomplete: true, Verdict: &curve.Verdict{Outcome: curve.Fail}}, incomplete},
	} {
		if got := stepState(&test.step); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestJourneyShowsItsSlowestStep(t *testing.T) {
	d := &curve.Document{Unit: curve.Visits, Knee: &curve.Knee{Rate: 1}, Steps: []curve.Step{
		{Offered: 1, Journey: []curve.StepStats{
			{Name: "look", Requests: 4, P99: 10}, {Name: "pay", Requests: 4, P99: 100, Errors: 0.25},
		}},
		{Offered: 2, Journey: []curve.StepStats{{Name: "look", Requests: 8, P99: 900}, {Name: "pay", Requests: 8, P99: 100}}},
	}}
	wantText(t, text(t, d), "the journey at 1/s:", "25%  pay  <- slowest")
	wantText(t, html(t, d), "the journey at 1/s", "look")
	d.Knee = nil
	wantText(t, text(t, d), "the journey at 2/s:", "look  <- slowest")
}

func TestStepInOneLine(t *testing.T) {
	for _, test := range []struct {
		step curve.Step
		want string
	}{
		{curve.Step{Offered: 1200, P99: 12.34, Errors: 0.001, Valid: true}, "1,200/s: p99 12.3 ms, 0.1% errors"},
		{curve.Step{Users: 20, P99: 12, Verdict: &curve.Verdict{Outcome: curve.Pass, Reason: "all limits were met"}},
			"20 users: p99 12 ms, 0% errors: pass"},
		{curve.Step{Offered: 5, Verdict: &curve.Verdict{Outcome: curve.Fail, Reason: "p99 2s, limit 1s"}},
			"5/s: p99 0 ms, 0% errors: fail: p99 2s, limit 1s"},
		{curve.Step{Offered: 5, P99: 90, Verdict: &curve.Verdict{Outcome: curve.Pass}, Merged: &curve.Merged{Steps: 2, Of: 3, P99: 80}},
			"5/s: p99 80 ms, 0% errors, 2 of 3 merged: pass"},
		{curve.Step{Offered: 5, Incomplete: true, Verdict: &curve.Verdict{Outcome: curve.Invalid, Reason: "interrupted after 1.0 s"}},
			"5/s: p99 0 ms, 0% errors: incomplete: interrupted after 1.0 s"},
	} {
		if got := Step(&test.step); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// The line of a search, the row of the table and the row of the page give the same verdict to the same step, for every
// combination of outcome, validity, merging and interruption.
func TestOneVerdictEverywhere(t *testing.T) {
	words := []string{"pass", "fail", "inconclusive", "invalid", "incomplete"}
	found := func(text string) (all []string) {
		for _, w := range words {
			if strings.Contains(strings.ToLower(text), w) {
				all = append(all, w)
			}
		}
		return all
	}
	for _, outcome := range []curve.Outcome{curve.Pass, curve.Fail, curve.Inconclusive, curve.Invalid} {
		for bits := range 8 {
			s := curve.Step{Offered: 7, Valid: bits&1 != 0, Incomplete: bits&2 != 0, Verdict: &curve.Verdict{Outcome: outcome, Reason: "p99 2s"}}
			if bits&4 != 0 {
				s.Merged = &curve.Merged{Steps: 2, Of: 2}
			}
			rows := stepRows([]curve.Step{s})
			last := rows[len(rows)-1]
			line, row, class := found(Step(&s)), found(last.Remark), found(string(last.State))
			if len(line) != 1 || !slices.Equal(line, row) || !slices.Equal(line, class) || len(rows) > 1 && found(rows[0].Remark) != nil {
				t.Errorf("%+v: line %v, row %v, page %v", s, line, row, class)
			}
		}
	}
}
