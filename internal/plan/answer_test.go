package plan

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
)

// checkDocument writes an answer in all its forms; what no reader could use is an error.
func checkDocument(t testing.TB, a *Answer) {
	t.Helper()
	var text, page, doc bytes.Buffer
	for _, err := range []error{a.WriteText(&text), a.WriteHTML(&page), a.WriteJSON(&doc)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []string{"NaN", "%!", "+Inf"} {
		if strings.Contains(text.String(), bad) {
			t.Errorf("the plan says %s:\n%s", bad, text.String())
		}
	}
	if !json.Valid(doc.Bytes()) {
		t.Errorf("no JSON: %s", doc.String())
	}
}

var everything = Question{
	CurrentRPS: 900, PeakRPS: 6000, Scaling: sizes(1, 955, 1879, 2688, 3549, 4310, 5130), HA: true, Stateless: true, Instance: "t3.medium",
	ReadRatio: share(0.6), DataSize: 50e12, WriteRate: 100_000, Domains: make(Domains, 5), ClearBoundaries: true, Pool: 10, MaxConnections: 500,
	Users: 10_000, Growth: share(0.1), Months: 6, Availability: 0.999, NodeAvailability: 0.995, CommonCause: 0.01,
	Depends: Dependencies{{"lb", 0.9999}, {"db", 0.9997}},
}

func decode(t *testing.T, a *Answer) (doc map[string]any) {
	t.Helper()
	var b bytes.Buffer
	if err := a.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestJSONHasWhatWasAskedAndNothingElse(t *testing.T) {
	doc := decode(t, mustAnswer(t, everything))
	for _, key := range []string{"nodes", "nodes_low", "nodes_high", "reachable", "strategy", "reasons", "fit", "database", "availability",
		"downtime_per_year_s", "cost_per_hour", "growth", "inputs", "assumed", "changes"} {
		if _, ok := doc[key]; !ok {
			t.Errorf("%s is absent", key)
		}
	}
	for _, key := range []string{"alpha", "beta", "gamma", "peak_rps"} {
		if _, ok := doc["fit"].(map[string]any)[key].(float64); !ok {
			t.Errorf("fit.%s is absent", key)
		}
	}
	database := doc["database"].(map[string]any)
	if database["strategy"] != "FEDERATION" || database["replicas"] == nil {
		t.Errorf("database: %v", database)
	}
	doc = decode(t, mustAnswer(t, Question{PeakRPS: 12_500, Margin: share(0), Scaling: cisco}))
	if doc["reachable"] != false || doc["nodes"] != nil || doc["fit"].(map[string]any)["peak_nodes"] == nil {
		t.Errorf("unreachable: %v", doc)
	}
	for _, key := range []string{"nodes", "strategy", "database", "availability", "downtime_per_year_s", "cost_per_hour", "growth"} {
		if _, ok := doc[key]; ok {
			t.Errorf("%s was not asked", key)
		}
	}
}

func TestEveryAnswerComesWithItsReason(t *testing.T) {
	a := mustAnswer(t, everything)
	for _, s := range a.sections() {
		if s.answer == "" || s.answer == "not known" || len(s.groups) == 0 || s.groups[0].label != "because" {
			t.Errorf("%s: %q, %v", s.about, s.answer, s.groups)
		}
	}
	if n := len(a.sections()); n != len(topics) {
		t.Errorf("%d sections, want %d", n, len(topics))
	}
	checkDocument(t, a)
}

// The page stands alone: no script, nothing fetched, and well-formed, so that every browser shows the same.
func TestPageStandsAlone(t *testing.T) {
	for _, q := range []Question{
		everything,
		{PeakRPS: 12_500, Scaling: cisco},
		{PeakRPS: 50_000, Scaling: sizes(1, 955, 1879, 2688, 3590)},
		{PeakRPS: 5_000, Scaling: sizes(1, 955, 1879, 2688)},
		{PeakRPS: 50_000, NodeRPS: 2_000},
		{Scaling: cisco},
		{ReadRatio: share(0.9)},
	} {
		var b bytes.Buffer
		if err := mustAnswer(t, q).WriteHTML(&b); err != nil {
			t.Fatal(err)
		}
		page := b.String()
		if outside := regexp.MustCompile(`<script|<link|<img|src=|url\(|@import|https?://`).FindString(page); outside != "" {
			t.Errorf("the page asks for more: %s", outside)
		}
		if regexp.MustCompile(`NaN|Inf|ZgotmplZ`).MatchString(page) {
			t.Errorf("numbers that are none in %v", q)
		}
		if drawn := strings.Contains(page, `class="curve"`); drawn != (q.PeakRPS > 0 || q.Scaling != nil) {
			t.Errorf("curve drawn: %t, for %v", drawn, q)
		}
		wellFormed(t, page)
	}
	var b bytes.Buffer
	hostile := Question{ReadRatio: share(0.6), DataSize: 50e12, WriteRate: 1e5, Domains: Domains{{"<script>alert(1)</script>", 30e12}, {"b", 20e12}}, ClearBoundaries: true}
	if err := mustAnswer(t, hostile).WriteHTML(&b); err != nil || strings.Contains(b.String(), "<script") {
		t.Errorf("a name became markup: %v", err)
	}
}

func wellFormed(t *testing.T, page string) {
	t.Helper()
	page = regexp.MustCompile(`(?s)<style>.*</style>|<!doctype html>`).ReplaceAllString(page, "")
	page = regexp.MustCompile(`(<meta [^>]*)>`).ReplaceAllString(page, "$1/>")
	d := xml.NewDecoder(strings.NewReader(page))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("page: %v", err)
		}
	}
}

func TestQuestionsThatContradictThemselves(t *testing.T) {
	for want, q := range map[string]Question{
		"rates upside down":             {CurrentRPS: 500, PeakRPS: 50},
		"given more than once":          {PeakRPS: 1, NodeRPS: 1, Scaling: cisco},
		"2 measured fleet sizes cannot": {PeakRPS: 1, Scaling: cisco[:2]},
		"no place beside a measured":    {PeakRPS: 1, Scaling: cisco, Efficiency: share(0.9)},
		"an efficiency is":              {PeakRPS: 1, NodeRPS: 1, Efficiency: share(1.2)},
		"needs --months":                {PeakRPS: 1, NodeRPS: 1, Growth: share(0.1)},
		"needs --growth":                {PeakRPS: 1, NodeRPS: 1, Months: 6},
		"nothing to grow":               {NodeRPS: 1, Growth: share(0.1), Months: 6},
		"needs --domains":               {ReadRatio: share(0.5), ClearBoundaries: true},
		"read ratio over":               {ReadRatio: share(1.5)},
		"leaves no room":                {ReadRatio: share(1), WriteRate: 10},
		"more than the --data-size":     {DataSize: 1e12, Domains: Domains{{"a", 2e12}, {"b", 0}}},
		"--users -1":                    {Users: -1},
		"--burstiness -1":               {PeakRPS: 1, NodeRPS: 1, Burstiness: -1},
		"not in the price file":         {PeakRPS: 1, NodeRPS: 1, Instance: "abacus"},
		"nothing can be planned":        {},
		"what one carries":              {PeakRPS: 1},
	} {
		_, err := q.Answer()
		if wrong := (*InputError)(nil); !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
