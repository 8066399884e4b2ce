package curve

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// testdata/old.json was written before the outcomes had their present values.
func TestReadAcceptsOldOutcomes(t *testing.T) {
	d := readFile(t, "testdata/old.json")
	seen := map[Outcome]int{}
	for _, s := range d.Steps {
		seen[s.Outcome()]++
	}
	want := map[Outcome]int{Pass: 4, Fail: 1, Invalid: 6}
	if !reflect.DeepEqual(seen, want) {
		t.Errorf("outcomes %v, want %v", seen, want)
	}
	if d.Unit != Requests || d.Knee == nil || d.Knee.Rate != 113.8 || len(d.Objective.Latencies) != 1 {
		t.Errorf("unit %q, knee %v, objective %v", d.Unit, d.Knee, d.Objective)
	}
}

func TestOutcomes(t *testing.T) {
	for text, want := range map[string]Outcome{
		"pass": Pass, "fail": Fail, "inconclusive": Inconclusive, "invalid": Invalid,
		"held": Pass, "broke": Fail, "undecided": Inconclusive, "unknown": Invalid,
	} {
		var got Outcome
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
}

// A field that is lost or renamed between writing and reading would be missing in a plan.
func TestWrittenDocumentReadsBackEqual(t *testing.T) {
	want := fullDocument(t)
	var b bytes.Buffer
	if err := want.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	got, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// The names of the JSON fields are an interface to other programs.
func TestFieldNamesAreUnchanged(t *testing.T) {
	old, err := os.ReadFile("testdata/old.json")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := readFile(t, "testdata/old.json").WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	renamed := strings.NewReplacer(`"outcome": "held"`, `"outcome": "pass"`, `"outcome": "broke"`, `"outcome": "fail"`,
		`"outcome": "undecided"`, `"outcome": "inconclusive"`, `"outcome": "unknown"`, `"outcome": "invalid"`)
	if want := renamed.Replace(string(old)); b.String() != want {
		t.Errorf("the document changed:\n%s\nwant:\n%s", b.String(), want)
	}
}

func TestReadAcceptsWhatEditorsWrite(t *testing.T) {
	const text = "{\n  \"unit\": \"visits/s\",\n  \"knee\": {\"rate\": 2}\n}\n"
	for _, data := range []string{"\xef\xbb\xbf" + text, strings.ReplaceAll(text, "\n", "\r\n"), strings.ReplaceAll(text, "\n", "\r")} {
		if d, err := Read(strings.NewReader(data)); err != nil || d.Unit != Visits || d.Knee.Rate != 2 {
			t.Errorf("%q: got %+v, %v", data, d, err)
		}
	}
	for data, want := range map[string]string{
		"\xff\xfe{\x00}\x00":          "line 1, column 1: the file is UTF-16",
		"{\n\u00a0\"unit\": \"\"}":    "line 2, column 1: there is a no-break space (U+00A0) here",
		"{\n \"unit\" \"\"}":          "line 2, column 9: invalid character",
		"{\"target\": \"M\xfcller\"}": "line 1, column 14: the file is not valid UTF-8 here",
	} {
		if _, err := Read(strings.NewReader(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", data, err, want)
		}
	}
}

func TestReadErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "empty",
		"{":                             "unexpected EOF",
		"[]":                            "the document has the type array: want an object",
		`{"steps": [{"offered": "5"}]}`: "steps.offered has the type string: want a number",
		`{"steps": [{"verdict": {"outcome": 1}}]}`:       "steps.verdict.outcome has the type number: want a string",
		`{"steps": [{"verdict": {"outcome": "great"}}]}`: `outcome "great": want pass, fail`,
		`{"objective": "p42=1s"}`:                        `unknown limit "p42"`,
		`{"knee": {"rate": 0}}`:                          "knee rate 0: want above 0",
		`{"knee": {"rate": -5}}`:                         "knee rate -5: want above 0",
		`{"knee": {"rate": "5"}}`:                        "not a load document",
		`{"knee": {"rate": NaN}}`:                        "not a load document",
		`{"knee": {"rate": 5, "low": 6}}`:                "knee low 6",
		`{"knee": {"rate": 5, "high": 4}}`:               "knee high 4",
		`{"knee": {"rate": 1e999}}`:                      "not a load document",
		`{"unit": "rpm", "knee": {"rate": 5}}`:           `unit "rpm": want requests/s or visits/s`,
		`{"knee": {"rate": 5}} {}`:                       "after the end",
		`{"scaling": [{"nodes": 1, "knee": {}}]}`:        "scaling, nodes 1: knee rate 0",
		strings.Repeat(" ", maxBytes+1):                  "larger than 16 MiB",
	} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
}

func TestReadIgnoresUnknownFields(t *testing.T) {
	d, err := Read(strings.NewReader(`{"knee": {"rate": 5}, "added_later": true}`))
	if err != nil || d.Knee.Rate != 5 || d.Unit != Requests {
		t.Errorf("%+v, %v", d, err)
	}
}

func FuzzRead(f *testing.F) {
	old, err := os.ReadFile("testdata/old.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(old)
	f.Add([]byte(`{"unit": "visits/s", "scaling": [{"nodes": 1, "knee": {"rate": 5}}], "objective": "p99=1s,errors=1%"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := d.WriteJSON(&b); err != nil {
			return // a year beyond 9999 cannot be written
		}
		if _, err := Read(&b); err != nil {
			t.Errorf("the document cannot be read back: %v\n%s", err, b.String())
		}
	})
}

func readFile(t *testing.T, name string) *Document {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// fullDocument returns a document in which every field has a value. It fails if a field was forgotten.
func fullDocument(t *testing.T) *Document {
	t.Helper()
	share := 0.01
	s := Step{Verdict: &Verdict{Fail, "p99 4 s, limit 1 s"}, Merged: &Merged{}, Journey: []StepStats{{Name: "cart"}},
		ErrorKinds: map[ErrorKind]int64{"timeout": 3}, InvalidReason: "late"}
	fill(reflect.ValueOf(&s).Elem())
	d := &Document{
		Target: "http://localhost/", Started: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC), Unit: Visits, Arrivals: "even", Seed: 7,
		Objective: Objective{Latencies: []LatencyLimit{{"p99", 0.99, time.Second}}, Errors: &share},
		Steps:     []Step{s}, Knee: &Knee{100, 95, 110},
		Scaling:     []Size{{Nodes: 1, Knee: &Knee{100, 95, 110}, Steps: []Step{s}, End: "interrupted"}},
		TargetNodes: 2, TargetNodesUnknown: "2 to 3 nodes",
		SharedCores: true, End: "interrupted", Incomplete: true, Notes: []string{"a note"},
	}
	for i := range reflect.TypeFor[Document]().NumField() {
		if reflect.ValueOf(*d).Field(i).IsZero() {
			t.Errorf("the field %s has no value", reflect.TypeFor[Document]().Field(i).Name)
		}
	}
	return d
}

// fill sets the numbers and flags in v to values that are not zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Pointer:
		fill(v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Bool:
		v.SetBool(true)
	}
}

func TestVerdictOfADocument(t *testing.T) {
	objective, err := ParseObjective("p99=1s")
	if err != nil {
		t.Fatal(err)
	}
	step := func(o Outcome) []Step {
		return []Step{{Verdict: &Verdict{Outcome: Invalid}}, {Verdict: &Verdict{Outcome: o}}}
	}
	knee := &Knee{Rate: 5}
	for _, test := range []struct {
		name string
		doc  Document
		want Outcome
	}{
		{"no objective", Document{Steps: step(Fail)}, ""},
		{"no steps", Document{Objective: objective}, ""},
		{"the last step decides", Document{Objective: objective, Steps: step(Fail)}, Fail},
		{"a step without verdict", Document{Objective: objective, Steps: []Step{{}}}, ""},
		{"a knee", Document{Objective: objective, Steps: step(Fail), Knee: knee}, Pass},
		{"a knee at one size", Document{Objective: objective, Scaling: []Size{{Steps: step(Fail)}, {Knee: knee}}}, Pass},
		{"no knee at any size", Document{Objective: objective, Scaling: []Size{{Steps: step(Invalid)}, {Steps: step(Fail)}}}, Fail},
	} {
		got := Outcome("")
		if v := test.doc.Verdict(); v != nil {
			got = v.Outcome
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
