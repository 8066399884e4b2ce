package plan

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/curve"
)

const loadDocument = `{
  "target": "http://127.0.0.1:8080/", "started": "2026-11-22T03:00:00Z",
  "steps": [
    {"offered": 100, "achieved": 100, "p50_ms": 5, "p90_ms": 6, "p99_ms": 8, "p999_ms": 9, "max_ms": 12, "errors": 0, "valid": true},
    {"offered": 3200, "achieved": 1900, "valid": false, "invalid_reason": "achieved 59% of the offered rate"}
  ],
  "knee": {"rate": 1800, "low": 1700, "high": 1900}
}`

const scalingDocument = `{"scaling": [
  {"nodes": 1, "knee": {"rate": 955, "low": 940, "high": 970}}, {"nodes": 2, "knee": {"rate": 1879}}, {"nodes": 3, "knee": {"rate": 2688}},
  {"nodes": 4, "knee": {"rate": 3549}}, {"nodes": 6, "knee": {"rate": 5130}}, {"nodes": 8, "knee": {"rate": 6531}}
], "shared_cores": true}`

func TestPlanFromALoadDocument(t *testing.T) {
	m := mustRead(t, loadDocument)
	p := mustDecide(t, Inputs{PeakRPS: 100_000, Margin: share(0.3), Measured: m})
	if p.Fleet.Nodes != 73 || p.Fleet.NodesLow != 69 || p.Fleet.NodesHigh != 77 { // 130,000 over 1,800, 1,900 and 1,700
		t.Errorf("got %+v", p.Fleet)
	}
	wantNote(t, p.Explain().Warnings, "1 of the 2 load steps were invalid")

	m = mustRead(t, scalingDocument)
	p = mustDecide(t, Inputs{PeakRPS: 6_000, Margin: share(0), Measured: m})
	if p.Fit == nil || len(p.Fit.Points) != 6 || p.Fleet.Nodes != 8 {
		t.Errorf("got %+v, %+v", p.Fit, p.Fleet)
	}
	wantNote(t, p.Explain().Warnings, "shared the cores")
}

// A step that failed is often invalid, because the queue of an overloaded target grows. The plan does not warn about it.
func TestFailedStepIsNotDoubtful(t *testing.T) {
	const steps = `[
	  {"offered": 100, "achieved": 100, "valid": true, "verdict": {"outcome": "pass", "reason": "the objective passed"}},
	  {"offered": 110, "achieved": 110, "valid": false, "invalid_reason": "late", "verdict": {"outcome": "pass"}},
	  {"offered": 200, "achieved": 120, "valid": false, "verdict": {"outcome": "fail", "reason": "p99 4 s, limit 1 s"}}%s]`
	const late = `, {"offered": 150, "achieved": 150, "valid": false, "verdict": {"outcome": "invalid", "reason": "late"}}`
	for more, want := range map[string]string{"": "", late: "1 of the 4 load steps were invalid"} {
		list := fmt.Sprintf(steps, more)
		for _, document := range []string{
			`{"steps": ` + list + `, "knee": {"rate": 100, "low": 100, "high": 200}}`,
			`{"scaling": [{"nodes": 1, "knee": {"rate": 100}, "steps": ` + list + `},
			  {"nodes": 2, "knee": {"rate": 190}}, {"nodes": 3, "knee": {"rate": 270}}]}`,
		} {
			p := mustDecide(t, Inputs{PeakRPS: 500, Measured: mustRead(t, document)})
			if want != "" {
				wantNote(t, p.Explain().Warnings, want)
			} else if strings.Contains(fmt.Sprint(p.Explain().Warnings), "invalid") {
				t.Errorf("%s: %v", document, p.Explain().Warnings)
			}
			if inputs := decode(t, p)["inputs"].(map[string]any); strings.Contains(fmt.Sprint(inputs), "steps") || inputs["measured"] == nil {
				t.Errorf("the inputs must have the load document without its steps: %v", inputs)
			}
		}
	}
}

// If the load document counts visits, all rates of the plan are visits.
func TestPlanUsesTheUnitOfTheLoadDocument(t *testing.T) {
	const document = `{"unit": "visits/s", "knee": {"rate": 20, "low": 19, "high": 21},
	  "steps": [{"offered": 20, "achieved": 20, "requests_per_s": 120, "valid": true}]}`
	m := mustRead(t, document)
	p := mustDecide(t, Inputs{PeakRPS: 100, Margin: share(0.2), Measured: m})
	if p.Fleet.Nodes != 6 {
		t.Errorf("%+v", p.Fleet)
	}
	wantNote(t, p.Explain().Reasons, "a peak of 100 visits/s with a margin of 20% is 120 visits/s")
	wantNote(t, p.Explain().Assumed, "all rates are visits a second, as in the load document of 6 requests each")
	for _, write := range []func(io.Writer, Terms) error{p.WriteText, p.WriteHTML} {
		var b strings.Builder
		if err := write(&b, Terms{}); err != nil || strings.Contains(b.String(), " rps") {
			t.Errorf("%v: a rate has the unit rps:\n%s", err, b.String())
		}
	}

	// 864,000 requests a day are 10 a second, 30 at the peak: 5 visits of 6 requests.
	p = mustDecide(t, Inputs{Users: 8640, RequestsPerUser: 100, PeakFactor: 3, Margin: share(0), Measured: m})
	if p.Fleet.PeakRPS != 5 || p.Forecast.PeakRPS != 5 || p.Fleet.Nodes != 1 {
		t.Errorf("%+v, %+v", p.Fleet, p.Forecast)
	}
	wantNote(t, p.Explain().Reasons, "visits of 6 requests each: the peak is 5 visits/s")
}

// If the load test found no rate that fails, the knee is a lower bound, and the number of nodes an upper bound.
func TestKneeWithoutHighIsALowerBound(t *testing.T) {
	p := mustDecide(t, Inputs{PeakRPS: 1000, Margin: share(0), Measured: mustRead(t, `{"knee": {"rate": 100, "low": 80}}`)})
	if p.Fleet.Nodes != 10 || p.Fleet.NodesLow != 0 || p.Fleet.NodesHigh != 13 {
		t.Errorf("%+v", p.Fleet)
	}
	wantNote(t, p.Explain().Warnings, "the knee of 100 rps is a lower bound")
	var b strings.Builder
	if err := p.WriteText(&b, Terms{}); err != nil || !strings.Contains(b.String(), "10 nodes, 13 at most: the knee is a lower bound") {
		t.Errorf("%v: %s", err, b.String())
	}
	p = mustDecide(t, Inputs{PeakRPS: 300, Margin: share(0), Measured: mustRead(t, `{"scaling": [{"nodes": 1, "knee": {"rate": 100, "low": 98, "high": 103}},
	  {"nodes": 2, "knee": {"rate": 190, "low": 180}}, {"nodes": 3, "knee": {"rate": 270}}]}`)})
	wantNote(t, p.Explain().Warnings, "the knee of 2 nodes is a lower bound")
}

// The plan warns about sizes without a knee, and about sizes whose knee is a lower bound.
func TestSizesWithoutAKnee(t *testing.T) {
	p := mustDecide(t, Inputs{PeakRPS: 300, Margin: share(0), Measured: mustRead(t, `{"scaling": [{"nodes": 1, "knee": {"rate": 100, "high": 103}},
	  {"nodes": 2, "knee": {"rate": 190, "high": 195}}, {"nodes": 3, "knee": {"rate": 270}, "steps": [{"offered": 270}]}, {"nodes": 4, "steps": [{"offered": 10}]}]}`)})
	wantNote(t, p.Explain().Warnings, "no knee at 4 nodes: the plan ignores them")
	wantNote(t, p.Explain().Warnings, "the knee of 3 nodes is a lower bound")
	if len(p.Fit.Points) != 3 {
		t.Errorf("points %v", p.Fit.Points)
	}
}

func mustRead(t *testing.T, document string) *curve.Document {
	t.Helper()
	m, err := ReadMeasured(strings.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestLoadDocumentsWithoutACurve(t *testing.T) {
	const neither = "the load document has no knee and no fleet sizes"
	for text, want := range map[string]string{
		"":                              "empty",
		"{":                             "unexpected EOF",
		"[]":                            "array: want an object",
		`{"steps": [{"offered": "5"}]}`: "string: want a number",
		`{"steps": [{"verdict": {"outcome": "fail"}}]}`:                                   "failed at the lowest rate, measure at lower rates",
		`{"steps": [{"verdict": {"outcome": "broke"}}]}`:                                  "failed at the lowest rate, measure at lower rates",
		`{"steps": [{"verdict": {"outcome": "pass"}}, {"verdict": {"outcome": "pass"}}]}`: "passed at every rate, measure at higher rates",
		`{"steps": [{"verdict": {"outcome": "held"}}, {"verdict": {"outcome": "held"}}]}`: "passed at every rate, measure at higher rates",
		`{"steps": [{"verdict": {"outcome": "held"}}]}`:                                   neither,
		"null":                                 neither,
		"{}":                                   neither,
		`{"knee": null}`:                       neither,
		`{"knee": {"rate": 0}}`:                "knee rate 0",
		`{"knee": {"rate": -5}}`:               "knee rate -5",
		`{"knee": {"rate": "5"}}`:              "not a load document",
		`{"knee": {"rate": NaN}}`:              "not a load document",
		`{"knee": {"rate": 5, "low": 6}}`:      "low 6",
		`{"knee": {"rate": 5, "high": 4}}`:     "high 4",
		`{"unit": "rpm", "knee": {"rate": 5}}`: `unit "rpm"`,
		`{"knee": {"rate": 5}} {}`:             "after the end",
		`{"knee": {"rate": 1e999}}`:            "not a load document",
		`{"scaling": [{"nodes": 1, "knee": {"rate": 5}}, {"nodes": 2, "knee": {"rate": 9}}]}`:                                    "measured fleet sizes: 2, but",
		`{"scaling": [{"nodes": 0, "knee": {"rate": 5}}, {"nodes": 2, "knee": {"rate": 9}}, {"nodes": 3, "knee": {"rate": 9}}]}`: "fleet size 0: want 1 to 1,000,000",
		`{"scaling": [{"nodes": 1, "knee": {"rate": 0}}]}`:                                                                       "nodes 1: knee rate 0",
		strings.Repeat(" ", 16<<20+1): "larger than 16 MiB",
	} {
		_, err := ReadMeasured(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
	_, err := ReadMeasured(strings.NewReader("{}"))
	terms := Terms{Commands: map[Command]string{CommandFindKnee: "tenfold load --rates LO..HI"}}
	if wrong := (*InputError)(nil); !errors.As(err, &wrong) || wrong.Hint(terms) != "tenfold load --rates LO..HI searches a knee" {
		t.Errorf("%v: no hint how to find a knee", err)
	}
	if _, err := Decide(Inputs{PeakRPS: 1, Measured: &curve.Document{}}); err == nil || !strings.Contains(err.Error(), neither) {
		t.Errorf("a document that was not read: %v, want %q", err, neither)
	}
}

func FuzzReadMeasured(f *testing.F) {
	f.Add(loadDocument)
	f.Add(scalingDocument)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ReadMeasured(strings.NewReader(text))
		if err != nil || len(m.Scaling) > 12 {
			return
		}
		if p, err := Decide(Inputs{PeakRPS: 5000, Measured: m}); err == nil {
			checkDocuments(t, p)
		}
	})
}

// A knee that was measured through a gateway is that of all nodes behind it.
func TestKneeOfAFleetIsDividedByItsNodes(t *testing.T) {
	const document = `{"steps": [{"offered": 200, "achieved": 200, "valid": true}], "knee": {"rate": 200, "low": 180, "high": 210}%s}`
	for _, c := range []struct {
		field           string
		nodes, low, top int
	}{
		{"", 5, 5, 6}, // a plain target: 1,000 over 200, 210 and 180
		{`, "target_nodes": 0`, 5, 5, 6},
		{`, "target_nodes": 1`, 5, 5, 6},
		{`, "target_nodes": 2`, 10, 10, 12},
		{`, "target_nodes": 7`, 35, 34, 39},
	} {
		p := mustDecide(t, Inputs{PeakRPS: 1000, Margin: share(0), Measured: mustRead(t, fmt.Sprintf(document, c.field))})
		if f := p.Fleet; f.Nodes != c.nodes || f.NodesLow != c.low || f.NodesHigh != c.top {
			t.Errorf("%s: %d nodes, %d to %d, want %d, %d to %d", c.field, f.Nodes, f.NodesLow, f.NodesHigh, c.nodes, c.low, c.top)
		}
	}
	two := mustRead(t, fmt.Sprintf(document, `, "target_nodes": 2`))
	p := mustDecide(t, Inputs{PeakRPS: 1000, Margin: share(0), Measured: two, Efficiency: share(0.5)})
	wantNote(t, p.Explain().Reasons, "200 rps was measured with 2 nodes behind the target: 200 / 2 = 100 rps for each node")
	wantNote(t, p.Explain().Warnings, "already contains what they lose")
	if p.Fleet.Nodes != 20 {
		t.Errorf("%d nodes with half the efficiency, want 20", p.Fleet.Nodes)
	}
}

// The plan must not guess the number of nodes that a knee is of. Measured fleet sizes do not need it.
func TestKneeOfAnUnknownNumberOfNodesIsRefused(t *testing.T) {
	const document = `{"knee": {"rate": 200}, "target_nodes_unknown": "2 to 3 nodes served the steps that passed"}`
	_, err := ReadMeasured(strings.NewReader(document))
	if err == nil || !strings.Contains(err.Error(), "how many nodes the knee of 200 requests/s is of: 2 to 3 nodes served") {
		t.Errorf("got %v", err)
	}
	for _, number := range []string{"-1", "100001", "1.5", `"2"`} {
		if _, err := ReadMeasured(strings.NewReader(`{"knee": {"rate": 200}, "target_nodes": ` + number + `}`)); err == nil ||
			!strings.Contains(err.Error(), "target_nodes") {
			t.Errorf("target_nodes %s: %v", number, err)
		}
	}
	sizes := *mustRead(t, scalingDocument)
	sizes.TargetNodesUnknown = "not known"
	if err := checkMeasured(&sizes); err != nil {
		t.Error(err)
	}
}
