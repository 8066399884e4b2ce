package curve

import (
	"strings"
	"testing"
)

func TestParseObjective(t *testing.T) {
	for text, want := range map[string]string{
		"p99=200ms,errors=0.1%": "p99=200ms,errors=0.1%",
		"p50=10ms, max=2s":      "p50=10ms,max=2s",
		"p99.9=1s,errors=0":     "p99.9=1s,errors=0%",
		"errors=0.05":           "want a percent sign: errors=5%, or errors=0.05%",
		"errors=5":              "want a percent sign: errors=5%",
		"p98=1s":                `unknown limit "p98"`,
		"p99":                   "want for example",
		"p99=-1s":               "above 0",
		"p99=5":                 "above 0",
		"errors=100%":           "share from 0",
		"errors=-1%":            "share from 0",
		"errors=-1":             "share from 0",
		"errors=NaN":            "share from 0",
		"p99=1s,p99=2s":         "duplicate limit for p99",
		"":                      "want for example",
		"p99=200ms,":            "want for example",
	} {
		o, err := ParseObjective(text)
		got := o.String()
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestObjectiveReadsItsText(t *testing.T) {
	const text = "p50=10ms,p99.9=1.5s,errors=0.25%"
	var o Objective
	if err := o.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if got, err := o.MarshalText(); err != nil || string(got) != text {
		t.Errorf("%s, %v, want %s", got, err, text)
	}
	if o.IsZero() || !(Objective{}).IsZero() {
		t.Error("IsZero must be true only for an objective without limits")
	}
}
