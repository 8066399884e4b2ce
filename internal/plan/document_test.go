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

// checkDocuments writes a plan in all forms. It fails if a form contains a value that is not a number or invalid JSON.
func checkDocuments(t testing.TB, p *Plan) {
	t.Helper()
	var text, page, doc bytes.Buffer
	for _, err := range []error{p.WriteText(&text, Terms{}), p.WriteHTML(&page, Terms{}), p.WriteJSON(&doc, Terms{})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []string{"NaN", "%!", "+Inf"} {
		if strings.Contains(text.String(), bad) {
			t.Errorf("the plan contains %s:\n%s", bad, text.String())
		}
	}
	if !json.Valid(doc.Bytes()) {
		t.Errorf("invalid JSON: %s", doc.String())
	}
}

// everything are inputs that ask for every part of a plan.
var everything = Inputs{
	CurrentRPS: 900, PeakRPS: 6000, Scaling: sizes(1, 955, 1879, 2688, 3549, 4310, 5130), HA: true, Stateless: true, Instance: "t3.medium",
	ReadRatio: share(0.6), DataSize: 50e12, WriteRate: 100_000, Domains: make(Domains, 5), ClearBoundaries: true, Pool: 10, MaxConnections: 500,
	Users: 10_000, Growth: share(0.1), Months: 6, Availability: 0.999, NodeAvailability: 0.995, CommonCause: 0.01,
	Depends: Dependencies{{"lb", 0.9999}, {"db", 0.9997}},
}

func decode(t *testing.T, p *Plan) (doc map[string]any) {
	t.Helper()
	var b bytes.Buffer
	if err := p.WriteJSON(&b, Terms{}); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestJSONHasOnlyTheAskedParts(t *testing.T) {
	doc := decode(t, mustDecide(t, everything))
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
	doc = decode(t, mustDecide(t, Inputs{PeakRPS: 12_500, Margin: share(0), Scaling: cisco}))
	if doc["reachable"] != false || doc["nodes"] != nil || doc["fit"].(map[string]any)["peak_nodes"] == nil {
		t.Errorf("unreachable: %v", doc)
	}
	for _, key := range []string{"nodes", "strategy", "database", "availability", "downtime_per_year_s", "cost_per_hour", "growth"} {
		if _, ok := doc[key]; ok {
			t.Errorf("the document has %s, which was not asked", key)
		}
	}
}

func TestEveryAnswerHasAReason(t *testing.T) {
	p := mustDecide(t, everything)
	for _, s := range p.sections(Terms{}) {
		if s.Answer == "" || s.Answer == "not known" || len(s.Groups) == 0 || s.Groups[0].Label != "because" {
			t.Errorf("%s: %q, %v", s.Topic, s.Answer, s.Groups)
		}
	}
	if n := len(p.sections(Terms{})); n != len(topics) {
		t.Errorf("%d sections, want %d", n, len(topics))
	}
	checkDocuments(t, p)
}

// A program without flags and commands shows plain names and no commands.
func TestTermsNameInputsAndCommands(t *testing.T) {
	p := mustDecide(t, Inputs{PeakRPS: 1000, NodeRPS: 100, HA: true})
	var plain, named bytes.Buffer
	terms := Terms{
		Inputs:   map[Field]string{FieldHA: "--ha", FieldAvailability: "--availability"},
		Commands: map[Command]string{CommandMeasureCurve: "tenfold load --nodes 1,2,4"},
	}
	if err := errors.Join(p.WriteText(&plain, Terms{}), p.WriteText(&named, terms)); err != nil {
		t.Fatal(err)
	}
	if text := plain.String(); regexp.MustCompile(`--|tenfold`).MatchString(text) || !strings.Contains(text, "is down (high availability)") {
		t.Errorf("without terms:\n%s", text)
	}
	for _, want := range []string{"is down (--ha)", "a target (--availability 99.9%)", "the efficiency falls: tenfold load --nodes 1,2,4", "(efficiency;"} {
		if !strings.Contains(strings.Join(strings.Fields(named.String()), " "), want) {
			t.Errorf("with terms: %q is absent:\n%s", want, named.String())
		}
	}
}

// The page has no script, loads nothing and is well-formed.
func TestPageIsSelfContained(t *testing.T) {
	for _, in := range []Inputs{
		everything,
		{PeakRPS: 12_500, Scaling: cisco},
		{PeakRPS: 50_000, Scaling: sizes(1, 955, 1879, 2688, 3590)},
		{PeakRPS: 5_000, Scaling: sizes(1, 955, 1879, 2688)},
		{PeakRPS: 50_000, NodeRPS: 2_000},
		{Scaling: cisco},
		{ReadRatio: share(0.9)},
	} {
		var b bytes.Buffer
		if err := mustDecide(t, in).WriteHTML(&b, Terms{}); err != nil {
			t.Fatal(err)
		}
		page := b.String()
		if external := regexp.MustCompile(`<script|<link|<img|src=|url\(|@import|https?://`).FindString(page); external != "" {
			t.Errorf("the page refers to something external: %s", external)
		}
		if regexp.MustCompile(`NaN|Inf|ZgotmplZ`).MatchString(page) {
			t.Errorf("the page has a value that is not a number, for %v", in)
		}
		if drawn := strings.Contains(page, `class="curve"`); drawn != (in.PeakRPS > 0 || in.Scaling != nil) {
			t.Errorf("curve drawn: %t, for %v", drawn, in)
		}
		checkWellFormed(t, page)
	}
	var b bytes.Buffer
	hostile := Inputs{ReadRatio: share(0.6), DataSize: 50e12, WriteRate: 1e5, Domains: Domains{{"<script>alert(1)</script>", 30e12}, {"b", 20e12}}, ClearBoundaries: true}
	if err := mustDecide(t, hostile).WriteHTML(&b, Terms{}); err != nil || strings.Contains(b.String(), "<script") {
		t.Errorf("the name of a domain became markup: %v", err)
	}
}

func checkWellFormed(t *testing.T, page string) {
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

func TestContradictoryInputs(t *testing.T) {
	for want, in := range map[string]Inputs{
		"peak rate 50 rps is below current rate 500 rps":                            {CurrentRPS: 500, PeakRPS: 50},
		"several inputs say what a node carries":                                    {PeakRPS: 1, NodeRPS: 1, Scaling: cisco},
		"measured fleet sizes: 2, but a fit of three parameters needs at least 3":   {PeakRPS: 1, Scaling: cisco[:2]},
		"efficiency and a measured curve":                                           {PeakRPS: 1, Scaling: cisco, Efficiency: share(0.9)},
		"efficiency: want above 0, up to 1":                                         {PeakRPS: 1, NodeRPS: 1, Efficiency: share(1.2)},
		"growth needs months":                                                       {PeakRPS: 1, NodeRPS: 1, Growth: share(0.1)},
		"months needs growth":                                                       {PeakRPS: 1, NodeRPS: 1, Months: 6},
		"growth needs a number that grows":                                          {NodeRPS: 1, Growth: share(0.1), Months: 6},
		"clear boundaries needs 2 or more domains":                                  {ReadRatio: share(0.5), ClearBoundaries: true},
		"read ratio: want at most 100%":                                             {ReadRatio: share(1.5)},
		"common cause: want at most 100%":                                           {NodeAvailability: 0.9, CommonCause: 2},
		"read ratio 100% and write rate contradict each other":                      {ReadRatio: share(1), WriteRate: 10},
		"the domains have 2 TB together, more than data size 1 TB":                  {DataSize: 1e12, Domains: Domains{{"a", 2e12}, {"b", 0}}},
		"users -1: want a number from 1":                                            {Users: -1},
		"burstiness -1: want a number above 0":                                      {PeakRPS: 1, NodeRPS: 1, Burstiness: -1},
		`"abacus" is not in the price file`:                                         {PeakRPS: 1, NodeRPS: 1, Instance: "abacus"},
		"not enough for a plan":                                                     {},
		"not enough for a plan; the number of nodes: needs what one node carries (": {PeakRPS: 1},
	} {
		_, err := Decide(in)
		if wrong := (*InputError)(nil); !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestArchitectureOfEachLevel(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range []float64{0.99, 0.999, 0.9999, 0.99999} {
		seen[Architecture(a)] = true
	}
	if len(seen) != 4 {
		t.Errorf("99%% to 99.999%% have %d architectures, want 4", len(seen))
	}
}
