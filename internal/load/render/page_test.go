package render

import (
	"slices"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/curve"
)

// searchDocument returns the document of a search. It measured 190/s twice, and the second step decided.
func searchDocument(t *testing.T) *curve.Document {
	t.Helper()
	step := func(offered, p99 float64, o curve.Outcome) curve.Step {
		return curve.Step{
			Offered: offered, Achieved: offered, P50: p99 / 2, P99: p99, P999: p99,
			Valid: o != curve.Invalid, InvalidReason: "late <here>",
			Service: curve.ServiceTimes{P99: p99}, Verdict: &curve.Verdict{Outcome: o, Reason: "late <here>"},
		}
	}
	o, err := curve.ParseObjective("p99=200ms,errors=1%")
	if err != nil {
		t.Fatal(err)
	}
	return &curve.Document{
		Target: "http://host/<script>", Unit: curve.Requests, Objective: o,
		Steps: []curve.Step{step(100, 60, curve.Pass), step(400, 9000, curve.Fail), step(200, 300, curve.Fail),
			step(190, 5000, curve.Invalid), step(190, 150, curve.Pass)},
		Knee: &curve.Knee{Rate: 190, Low: 190, High: 200},
	}
}

func html(t *testing.T, d *curve.Document) string {
	t.Helper()
	var b strings.Builder
	if err := HTML(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPageLoadsNothing(t *testing.T) {
	text := html(t, searchDocument(t))
	for _, bad := range []string{"<script", "src=", "href=", "url(", "@import", "<here>"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, want := range []string{"p99 limit", "FAIL", "190 requests/s (passed at 190, failed at 200)",
		"prefers-color-scheme: dark",
		"late &lt;here&gt;", `<tr class="fail">`, `<tr class="invalid">`, `<tr class="pass">`} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// A line has one point for each rate, that of the deciding step, and the labels of the lines do not overlap.
func TestPlotsHaveOnePointPerRate(t *testing.T) {
	d := searchDocument(t)
	drawn := slices.Concat(pagePlots(d)...)
	if len(drawn) != 4 {
		t.Fatalf("%d plots, want 2 in 2 layouts", len(drawn))
	}
	for _, p := range drawn {
		var labels []float64
		for _, l := range p.Lines {
			labels = append(labels, l.LabelY)
			if n := len(strings.Fields(l.Points)); n != 4 && l.Class != "limit" {
				t.Errorf("%s, %s: %d points, want 4", p.Title, l.Name, n)
			}
		}
		slices.Sort(labels)
		for i := 1; i < len(labels); i++ {
			if labels[i]-labels[i-1] < 12 {
				t.Errorf("%s: labels overlap: %v", p.Title, labels)
			}
		}
	}
	if got := text(t, d); strings.Count(got, "<- knee") != 1 {
		t.Errorf("want one mark of the knee:\n%s", got)
	}
}

func TestPageOfFleetSizes(t *testing.T) {
	d := &curve.Document{
		Target: "/ of tenfold.yaml", Unit: curve.Visits, SharedCores: true,
		Scaling: []curve.Size{
			{Nodes: 1, Knee: &curve.Knee{Rate: 2, Low: 2, High: 2.1}}, {Nodes: 2, Knee: &curve.Knee{Rate: 3.9, High: 4}},
		},
	}
	text := html(t, d)
	for _, want := range []string{"Knee by nodes, in visits/s", "<td>1.95</td>", "<td>-</td>"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, x := range plotScaling(d, layouts[0]).X {
		if strings.Contains(x.Text, ".") {
			t.Errorf("a tick at %s nodes", x.Text)
		}
	}
	if text := html(t, &curve.Document{Unit: curve.Requests}); strings.Contains(text, "<svg") ||
		strings.Contains(text, "<table") {
		t.Errorf("an empty document has a plot or a table: %s", text)
	}
}
