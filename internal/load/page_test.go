package load

import (
	"slices"
	"strings"
	"testing"
)

// sweptDocument is what a sweep writes: 190 was measured twice, and the second time decided.
func sweptDocument() *Document {
	step := func(offered, p99 float64, o Outcome) *Step {
		return &Step{Offered: offered, Achieved: offered, P50: p99 / 2, P99: p99, P999: p99, Valid: o != Unknown, InvalidReason: "late <here>",
			Service: Service{P99: p99}, Verdict: &Verdict{Outcome: o, Reason: "p99"}}
	}
	return &Document{
		Target: "http://host/<script>", Unit: "requests/s", Objective: "p99=200ms,errors=1%",
		Steps: []*Step{step(100, 60, Held), step(400, 9000, Broke), step(200, 300, Broke), step(190, 5000, Unknown), step(190, 150, Held)},
		Knee:  &Knee{Rate: 190, Low: 190, High: 200},
	}
}

func writePage(t *testing.T, d *Document) string {
	t.Helper()
	var b strings.Builder
	if err := d.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPageNeedsNothingElse(t *testing.T) {
	text := writePage(t, sweptDocument())
	for _, bad := range []string{"<script", "src=", "href=", "url(", "@import", "<here>"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, want := range []string{"p99 limit", "BROKE", "190 requests/s (held at 190, broke at 200)", "prefers-color-scheme: dark", "late &lt;here&gt;"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// A line goes through the step that decided, once per rate, and names at its end do not cover each other.
func TestPlotsHaveOnePointPerRate(t *testing.T) {
	d := sweptDocument()
	for _, p := range d.plots() {
		var labels []float64
		for _, l := range p.Lines {
			labels = append(labels, l.LabelY)
			if n := len(strings.Fields(l.Points)); n != 4 && l.Class != "limit" {
				t.Errorf("%s, %s: %d points", p.Title, l.Name, n)
			}
		}
		slices.Sort(labels)
		for i := 1; i < len(labels); i++ {
			if labels[i]-labels[i-1] < 12 {
				t.Errorf("%s: names at %v", p.Title, labels)
			}
		}
	}
	var b strings.Builder
	if err := d.WriteText(&b); err != nil || strings.Count(b.String(), "<- knee") != 1 {
		t.Errorf("%v: %s", err, b.String())
	}
}

func TestPageOfFleetSizes(t *testing.T) {
	d := &Document{
		Target: "/ of tenfold.yaml", Unit: "visits/s", SharedCores: true,
		Scaling: []Size{{Nodes: 1, Knee: &Knee{Rate: 2, Low: 2, High: 2.1}}, {Nodes: 2, Knee: &Knee{Rate: 3.9, High: 4}}},
	}
	text := writePage(t, d)
	for _, want := range []string{"Knee by nodes, in visits/s", "<td>1.95</td>", "<td>-</td>"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, x := range d.plotScaling().X {
		if strings.Contains(x.Text, ".") {
			t.Errorf("%s nodes", x.Text)
		}
	}
	if text := writePage(t, &Document{Unit: "requests/s"}); strings.Contains(text, "<svg") || strings.Contains(text, "<table") {
		t.Errorf("an empty document has a plot or a table: %s", text)
	}
}
