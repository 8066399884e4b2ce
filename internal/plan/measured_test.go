package plan

import (
	"fmt"
	"io"
	"strings"
	"testing"
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

func TestMeasuredDocuments(t *testing.T) {
	m, err := ReadMeasured(strings.NewReader(loadDocument))
	if err != nil {
		t.Fatal(err)
	}
	a := mustAnswer(t, Question{PeakRPS: 100_000, Margin: share(0.3), Measured: m})
	if a.Fleet.Nodes != 73 || a.NodesLow != 69 || a.NodesHigh != 77 { // 130,000 over 1,800, 1,900 and 1,700
		t.Errorf("got %+v", a.Fleet)
	}
	wantNote(t, a.Warnings, "1 of the 2 load steps were invalid")

	m, err = ReadMeasured(strings.NewReader(scalingDocument))
	if err != nil {
		t.Fatal(err)
	}
	a = mustAnswer(t, Question{PeakRPS: 6_000, Margin: share(0), Measured: m})
	if a.Fit == nil || len(a.Fit.Points) != 6 || a.Fleet.Nodes != 8 {
		t.Errorf("got %+v, %+v", a.Fit, a.Fleet)
	}
	wantNote(t, a.Warnings, "shared the cores")
}

// A target that does not keep up has a growing queue, so the step that broke is seldom valid: that is the finding, not a doubt.
func TestAStepThatBrokeIsNoDoubt(t *testing.T) {
	const steps = `[
	  {"offered": 100, "achieved": 100, "valid": true, "verdict": {"outcome": "held", "reason": "the objective held"}},
	  {"offered": 110, "achieved": 110, "valid": false, "invalid_reason": "late", "verdict": {"outcome": "held"}},
	  {"offered": 200, "achieved": 120, "valid": false, "verdict": {"outcome": "broke", "reason": "p99 4 s, limit 1 s"}}%s]`
	const late = `, {"offered": 150, "achieved": 150, "valid": false, "verdict": {"outcome": "unknown", "reason": "late"}}`
	for more, want := range map[string]string{"": "", late: "1 of the 4 load steps were invalid"} {
		list := fmt.Sprintf(steps, more)
		for _, document := range []string{
			`{"steps": ` + list + `, "knee": {"rate": 100, "low": 100, "high": 200}}`,
			`{"scaling": [{"nodes": 1, "knee": {"rate": 100}, "steps": ` + list + `},
			  {"nodes": 2, "knee": {"rate": 190}}, {"nodes": 3, "knee": {"rate": 270}}]}`,
		} {
			a := mustAnswer(t, Question{PeakRPS: 500, Measured: mustRead(t, document)})
			if want != "" {
				wantNote(t, a.Warnings, want)
			} else if strings.Contains(fmt.Sprint(a.Warnings), "invalid") {
				t.Errorf("%s: %v", document, a.Warnings)
			}
			if len(a.Inputs.Measured.steps()) > 0 {
				t.Errorf("the answer repeats the steps: %+v", a.Inputs.Measured)
			}
		}
	}
}

// Rates of a journey's document count visits, and so does the whole plan.
func TestAPlanCountsWhatItsDocumentCounts(t *testing.T) {
	const document = `{"unit": "visits/s", "knee": {"rate": 20, "low": 19, "high": 21},
	  "steps": [{"offered": 20, "achieved": 20, "requests_per_s": 120, "valid": true}]}`
	m := mustRead(t, document)
	a := mustAnswer(t, Question{PeakRPS: 100, Margin: share(0.2), Measured: m})
	if a.Nodes != 6 {
		t.Errorf("%+v", a.Fleet)
	}
	wantNote(t, a.Reasons, "a peak of 100 visits/s with a margin of 20% is 120 visits/s")
	wantNote(t, a.Assumed, "all rates are visits a second, as in the load document, which made 6 requests each")
	for _, write := range []func(io.Writer) error{a.WriteText, a.WriteHTML} {
		var b strings.Builder
		if err := write(&b); err != nil || strings.Contains(b.String(), " rps") {
			t.Errorf("%v: it speaks of rps:\n%s", err, b.String())
		}
	}

	// 864,000 requests a day are 10 a second, 30 at the peak: 5 visits of 6 requests.
	a = mustAnswer(t, Question{Users: 8640, RequestsPerUser: 100, PeakFactor: 3, Margin: share(0), Measured: m})
	if a.PeakRPS != 5 || a.Forecast.PeakRPS != 5 || a.Nodes != 1 {
		t.Errorf("%+v, %+v", a.Fleet, a.Forecast)
	}
	wantNote(t, a.Reasons, "visits, of 6 requests each: 5 visits/s")
}

// Where a load found no rate at which the service breaks, what it carries is a lower bound, and so the nodes an upper one.
func TestAKneeWithoutAHighEndIsALowerBound(t *testing.T) {
	a := mustAnswer(t, Question{PeakRPS: 1000, Margin: share(0), Measured: mustRead(t, `{"knee": {"rate": 100, "low": 80}}`)})
	if a.Nodes != 10 || a.NodesLow != 0 || a.NodesHigh != 13 {
		t.Errorf("%+v", a.Fleet)
	}
	wantNote(t, a.Warnings, "the knee of 100 rps is a lower bound")
	var b strings.Builder
	if err := a.WriteText(&b); err != nil || !strings.Contains(b.String(), "10 nodes, 13 at most: the knee is a lower bound") {
		t.Errorf("%v: %s", err, b.String())
	}
	a = mustAnswer(t, Question{PeakRPS: 300, Margin: share(0), Measured: mustRead(t, `{"scaling": [{"nodes": 1, "knee": {"rate": 100, "low": 98, "high": 103}},
	  {"nodes": 2, "knee": {"rate": 190, "low": 180}}, {"nodes": 3, "knee": {"rate": 270}}]}`)})
	wantNote(t, a.Warnings, "the knee of 2 nodes is a lower bound")
}

// A size at which the load found no knee, or only a lower bound, is said to be one.
func TestSizesWithoutAKnee(t *testing.T) {
	a := mustAnswer(t, Question{PeakRPS: 300, Margin: share(0), Measured: mustRead(t, `{"scaling": [{"nodes": 1, "knee": {"rate": 100, "high": 103}},
	  {"nodes": 2, "knee": {"rate": 190, "high": 195}}, {"nodes": 3, "knee": {"rate": 270}, "steps": [{"offered": 270}]}, {"nodes": 4, "steps": [{"offered": 10}]}]}`)})
	wantNote(t, a.Warnings, "no knee at 4 nodes, which are left out")
	wantNote(t, a.Warnings, "the knee of 3 nodes is a lower bound")
	if len(a.Fit.Points) != 3 {
		t.Errorf("points %v", a.Fit.Points)
	}
}

func mustRead(t *testing.T, document string) *Measured {
	t.Helper()
	m, err := ReadMeasured(strings.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDocumentsThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "it is empty",
		"{":                             "unexpected EOF",
		"[]":                            "it is of kind array: want an object",
		`{"steps": [{"offered": "5"}]}`: "steps.offered is of kind string: want a number",
		`{"steps": [{"verdict": {"outcome": "broke"}}]}`:                                  "broke at the lowest rate",
		`{"steps": [{"verdict": {"outcome": "held"}}, {"verdict": {"outcome": "held"}}]}`: "held at every rate: measure higher --rates",
		`{"steps": [{"verdict": {"outcome": "held"}}]}`:                                   "tenfold load --rates LO..HI",
		"null":                                 `neither a "scaling" curve nor a "knee"`,
		"{}":                                   `neither a "scaling" curve nor a "knee"`,
		`{"knee": null}`:                       `neither a "scaling" curve nor a "knee"`,
		`{"knee": {"rate": 0}}`:                "a knee of 0 rps",
		`{"knee": {"rate": -5}}`:               "a knee of -5 rps",
		`{"knee": {"rate": "5"}}`:              "not a load document",
		`{"knee": {"rate": NaN}}`:              "not a load document",
		`{"knee": {"rate": 5, "low": 6}}`:      "low end 6",
		`{"knee": {"rate": 5, "high": 4}}`:     "high end 4",
		`{"unit": "rpm", "knee": {"rate": 5}}`: `its unit is "rpm"`,
		`{"knee": {"rate": 5}} {}`:             "goes on after the end",
		`{"knee": {"rate": 1e999}}`:            "not a load document",
		`{"scaling": [{"nodes": 1, "knee": {"rate": 5}}, {"nodes": 2, "knee": {"rate": 9}}]}`:                                    "2 measured fleet sizes cannot",
		`{"scaling": [{"nodes": 0, "knee": {"rate": 5}}, {"nodes": 2, "knee": {"rate": 9}}, {"nodes": 3, "knee": {"rate": 9}}]}`: "a fleet of 0 nodes",
		`{"scaling": [{"nodes": 1, "knee": {"rate": 0}}]}`:                                                                       "nodes 1: a knee of 0",
		strings.Repeat(" ", maxDocument+1):                                                                                       "larger than 16 MiB",
	} {
		_, err := ReadMeasured(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
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
		if a, err := (Question{PeakRPS: 5000, Measured: m}).Answer(); err == nil {
			checkDocument(t, a)
		}
	})
}
