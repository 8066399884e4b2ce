package plan

import (
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

func TestDocumentsThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "it is empty",
		"{":                                "unexpected EOF",
		"[]":                               "not a load document",
		"null":                             `neither a "scaling" curve nor a "knee"`,
		"{}":                               `neither a "scaling" curve nor a "knee"`,
		`{"knee": null}`:                   `neither a "scaling" curve nor a "knee"`,
		`{"knee": {"rate": 0}}`:            "a knee of 0 rps",
		`{"knee": {"rate": -5}}`:           "a knee of -5 rps",
		`{"knee": {"rate": "5"}}`:          "not a load document",
		`{"knee": {"rate": NaN}}`:          "not a load document",
		`{"knee": {"rate": 5, "low": 6}}`:  "low end 6",
		`{"knee": {"rate": 5, "high": 4}}`: "high end 4",
		`{"knee": {"rate": 5}} {}`:         "goes on after the end",
		`{"knee": {"rate": 1e999}}`:        "not a load document",
		`{"scaling": [{"nodes": 1, "knee": {"rate": 5}}, {"nodes": 2, "knee": {"rate": 9}}]}`:                                    "2 measured fleet size(s)",
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
