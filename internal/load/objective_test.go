package load

import (
	"strings"
	"testing"
	"time"
)

func TestObjectives(t *testing.T) {
	for text, want := range map[string]string{
		"p99=200ms,errors=0.1%": "p99=200ms,errors=0.1%",
		"p50=10ms, max=2s":      "p50=10ms,max=2s",
		"p99.9=1s,errors=0":     "p99.9=1s,errors=0%",
		"errors=0.05":           "want a percent sign: errors=5%, or errors=0.05%",
		"errors=5":              "want a percent sign: errors=5%",
		"p98=1s":                "not known",
		"p99":                   "want for example",
		"p99=-1s":               "above 0",
		"p99=5":                 "above 0",
		"errors=100%":           "share of 0",
		"errors=-1%":            "share of 0",
		"errors=-1":             "share of 0",
		"errors=NaN":            "share of 0",
		"p99=1s,p99=2s":         "given twice",
		"":                      "want for example",
		"p99=200ms,":            "want for example",
	} {
		var o Objective
		err := o.UnmarshalText([]byte(text))
		got := o.String()
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// stepOf has so many fast requests, slow ones and errors.
func stepOf(fast, slow, failed int) *Step {
	s := &Step{Valid: true, Requests: int64(fast + slow), failed: int64(failed), planned: float64(fast + slow), finished: float64(fast + slow)}
	for range fast {
		s.latency.record(10 * time.Millisecond)
	}
	for range slow {
		s.latency.record(time.Second)
	}
	return s
}

func TestVerdicts(t *testing.T) {
	late := stepOf(1000, 0, 0)
	late.Valid, late.ours = false, true
	lateSlow := stepOf(900, 100, 0)
	lateSlow.Valid, lateSlow.ours = false, true
	far := stepOf(900, 100, 0)
	far.Valid, far.ours, far.lateOnly, far.LagP99 = false, true, true, 5
	near := stepOf(900, 100, 0)
	near.Valid, near.ours, near.lateOnly, near.LagP99 = false, true, true, 100
	behind := stepOf(1000, 0, 0)
	behind.finished = 900
	little := stepOf(1000, 0, 0)
	little.finished, little.chance = 950, 60
	tests := []struct {
		name  string
		steps []*Step
		final bool
		want  Outcome
	}{
		{"all is well", []*Step{stepOf(1000, 0, 0)}, false, Held},
		{"3 % are slow", []*Step{stepOf(970, 30, 0)}, false, Broke},
		{"0.9 % are slow: chance could make it 1 %", []*Step{stepOf(991, 9, 0)}, false, Undecided},
		{"0.9 % are slow, finally", []*Step{stepOf(991, 9, 0)}, true, Held},
		{"1.2 % are slow, finally", []*Step{stepOf(988, 12, 0)}, true, Broke},
		{"repeats decide together", []*Step{stepOf(9_930, 70, 0), stepOf(9_930, 70, 0)}, false, Held},
		{"too many errors", []*Step{stepOf(1000, 0, 30)}, false, Broke},
		{"some errors more than allowed, by chance", []*Step{stepOf(1000, 0, 11)}, false, Undecided},
		{"throughput falls behind", []*Step{behind}, false, Broke},
		{"throughput differs by chance", []*Step{little}, false, Held},
		{"late and still good", []*Step{late}, false, Held},
		{"late and bad", []*Step{lateSlow}, true, Unknown},
		{"late by 5 ms, and 800 ms over the limit", []*Step{far}, false, Broke},
		{"late by 100 ms, and 800 ms over the limit", []*Step{near}, true, Unknown},
		{"late and bad, then bad", []*Step{lateSlow, stepOf(900, 100, 0)}, false, Broke},
	}
	o := objective(t, "p99=200ms,errors=1%")
	for _, test := range tests {
		if v := o.Judge(test.steps, test.final); v.Outcome != test.want {
			t.Errorf("%s: %s (%s), want %s", test.name, v.Outcome, v.Reason, test.want)
		}
	}
}

func TestSteady(t *testing.T) {
	at := func(done int64, p50 time.Duration) bin { return bin{done, p50, p50, p50} }
	tests := []struct {
		name string
		bins []bin
		want bool
	}{
		{"too few", []bin{at(100, 10), at(100, 10)}, false},
		{"steady", []bin{at(100, 1000), at(103, 1020), at(98, 990)}, true},
		{"falling", []bin{at(100, 1200), at(100, 1100), at(100, 1000)}, false},
		{"fell", []bin{at(100, 5000), at(100, 1000), at(100, 1010), at(100, 1000)}, true},
		{"rate rises", []bin{at(1000, 1000), at(2000, 1000), at(3000, 1000)}, false},
		{"silence", []bin{at(0, 0), at(0, 0), at(0, 0)}, false},
		{"few answers differ by chance", []bin{{4, 1000, 800, 1500}, {6, 1300, 900, 1600}, {5, 1200, 700, 1400}}, true},
	}
	for _, test := range tests {
		if got := steady(test.bins); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}
