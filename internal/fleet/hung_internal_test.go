package fleet

import (
	"strings"
	"testing"
	"time"
)

func TestDecideReplacement(t *testing.T) {
	const after = time.Minute
	now := time.Now()
	// nodesOf reads "ok hung busy": one word per node, a reason or ok; busy is a node that is being replaced.
	nodesOf := func(text string) (all []condition) {
		for i, word := range strings.Fields(text) {
			c := condition{id: string(rune('a' + i)), reason: word, busy: word == "busy"}
			if word == "ok" || word == "busy" {
				c.reason = ""
			}
			all = append(all, c)
		}
		return all
	}
	ago := func(d time.Duration, tries int, failed bool) replacements {
		return replacements{tries: tries, failed: failed, last: now.Add(-d)}
	}
	for name, c := range map[string]struct {
		nodes string
		r     replacements
		want  order
	}{
		"all work":                                         {"ok ok", replacements{}, order{}},
		"no node":                                          {"", replacements{}, order{}},
		"one hangs":                                        {"ok probe", replacements{}, order{id: "b", reason: "probe"}},
		"two of three hang: the oldest first":              {"ok requests probe", replacements{}, order{id: "b", reason: "requests"}},
		"one is being replaced":                            {"busy probe ok", replacements{}, order{}},
		"the next one without a pause":                     {"ok probe", ago(0, 5, false), order{id: "b", reason: "probe"}},
		"all hang: one try at once":                        {"probe probe", replacements{}, order{id: "a", reason: "probe"}},
		"all hang again: wait":                             {"probe probe", ago(10*time.Second, 1, false), order{wait: 50 * time.Second}},
		"all hang again: the next try":                     {"probe probe", ago(time.Minute, 1, false), order{id: "a", reason: "probe"}},
		"each try waits longer":                            {"probe probe", ago(time.Minute, 3, false), order{wait: 3 * time.Minute}},
		"at most eight times as long":                      {"probe probe", ago(time.Minute, 99, false), order{wait: 7 * time.Minute}},
		"the replacement failed: wait":                     {"ok probe", ago(10*time.Second, 1, true), order{wait: 50 * time.Second}},
		"the replacement failed: end the old one first":    {"ok probe", ago(time.Minute, 1, true), order{id: "b", reason: "probe", first: true}},
		"a node that may still answer is not ended first":  {"ok requests", ago(time.Minute, 1, true), order{id: "b", reason: "requests"}},
		"all hang and replacements fail: end none first":   {"probe probe", ago(time.Minute, 1, true), order{id: "a", reason: "probe"}},
		"the only node hangs":                              {"probe", replacements{}, order{id: "a", reason: "probe"}},
		"the only node hangs, and the replacement failed":  {"probe", ago(time.Minute, 1, true), order{id: "a", reason: "probe", first: true}},
		"above its memory limit, and the last one failed":  {"ok memory", ago(time.Minute, 1, true), order{id: "b", reason: "memory"}},
		"all are above their memory limit again: wait too": {"memory memory", ago(0, 2, false), order{wait: 2 * time.Minute}},
	} {
		if got := decideReplacement(now, after, c.r, nodesOf(c.nodes)); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestCalmServiceForgetsItsReplacements(t *testing.T) {
	const after = time.Minute
	begun := time.Now()
	r := replacements{tries: 3, failed: true}
	hung, whole := []condition{{reason: "probe"}}, []condition{{}}
	for i, step := range []struct {
		after time.Duration
		nodes []condition
		tries int
	}{
		{0, whole, 3},
		{4 * after, whole, 3},
		{4*after + 1, hung, 3}, // hung again: it was not calm for long enough
		{5 * after, whole, 3},
		{9 * after, whole, 3},
		{10 * after, whole, 0},
	} {
		r.look(begun.Add(step.after), after, step.nodes)
		if r.tries != step.tries || r.failed != (step.tries > 0) {
			t.Errorf("step %d: %+v, want %d tries", i, r, step.tries)
		}
	}
}
