package strictyaml

import (
	"strings"
	"testing"
)

func TestParseRefusesWhatCanMeanTwoThings(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "the file is empty",
		"- a":                                 "want a mapping of fields, found a list",
		"a: &x 1":                             "an anchor",
		"a: *x":                               "an alias",
		"a: !!int 1":                          "a tag",
		"? a\n: b":                            "an explicit key",
		"%YAML 1.2\n---\na: 1":                "a directive",
		"a: 1\n---\nb: 2":                     "a second YAML document",
		"a: b: c":                             `a second ": " in one line`,
		"\xff\xfea\x00":                       "UTF-16",
		"a: \xff":                             "not valid UTF-8",
		"a: \x07":                             "control character",
		"\ta: 1":                              "tab",
		strings.Repeat("[", 20):               "nested too deeply",
		strings.Repeat("#", 2<<20):            "larger than 1MiB",
		"a: [" + strings.Repeat("1, ", 30000): "more than 50000 words",
	} {
		_, problems := Parse([]byte(text), "smallest")
		if len(problems) == 0 || !strings.Contains(problems.Error(), want) {
			t.Errorf("%.20q: got %v, want a problem with %q", text, problems, want)
		}
	}
}

func TestParseReadsWhatEditorsWrite(t *testing.T) {
	for _, text := range []string{
		"\xef\xbb\xbfa: x\nb: |\n  l1\n  l2\n",
		"a: x\r\nb: |\r\n  l1\r\n  l2\r\n",
		"a: x\rb: |\r  l1\r  l2\r",
		"\xef\xbb\xbfa: x #\u00a0comment\r\nb: |\r\n  l1\r\n  l2\r\n",
	} {
		root, problems := Parse([]byte(text), "")
		if problems != nil {
			t.Errorf("%q: %v", text, problems)
			continue
		}
		var r Reader
		got := map[string]string{}
		for _, e := range r.Mapping(root, "a mapping") {
			got[e.Key], _ = e.Value.Scalar()
		}
		if len(got) != 2 || got["a"] != "x" || got["b"] != "l1\nl2\n" {
			t.Errorf("%q: got %q", text, got)
		}
	}
}

func TestParseRefusesWhatOnlyLooksLikeASpace(t *testing.T) {
	for text, want := range map[string]string{
		"a:\u00a01\n":        "f:1:3: there is a no-break space (U+00A0) here",
		"\u00a0a: 1\n":       "f:1:1: there is a no-break space",
		"a: 1\n\u00a0b: 2\n": "f:2:1: there is a no-break space",
		"a: 1\u202f\n":       "f:1:5: there is a no-break space (U+202F) here",
		"a\u00a0: 1\n":       "f:1:2: there is a no-break space",
		"a:\n  -\u00a0x\n":   "f:2:4: there is a no-break space",
		"a: [x,\u00a0y]\n":   "f:1:7: there is a no-break space",
		"a:\u00a0\n  b: 1\n": "f:1:3: there is a no-break space",
		"a: \u200bx\n":       "f:1:4: there is an invisible character (U+200B) here",
		"a: \u3000x\n":       "f:1:4: there is a space (U+3000) here",
	} {
		_, problems := Parse([]byte(text), "")
		if len(problems) != 1 || !strings.Contains(problems.In("f").Error(), want) || problems[0].Hint == "" {
			t.Errorf("%q: got %v, want %s", text, problems, want)
		}
	}
	for _, text := range []string{"a: '\u00a0x\u00a0'\n", "a: 10\u00a0\u20ac\n", "a: |\n  \u00a0x\u00a0\n", "a: 1 #\u00a0c\u00a0\n"} {
		if _, problems := Parse([]byte(text), ""); problems != nil {
			t.Errorf("%q: %v", text, problems)
		}
	}
}

func TestReaderReportsEveryProblemWithItsPlace(t *testing.T) {
	root, problems := Parse([]byte("a: 1\nb: [x, {c: 2}]\na: 3\nd:\n"), "")
	if problems != nil {
		t.Fatal(problems)
	}
	var r Reader
	for _, e := range r.Mapping(root, "a mapping") {
		switch e.Key {
		case "b":
			for _, item := range r.List(e.Value) {
				r.Text(item, "one value")
			}
		case "d":
			r.Text(e.Value, "one value")
		}
	}
	got := r.Problems().In("f.yaml").Error()
	want := "3 problems in f.yaml\n" +
		"f.yaml:2:9: b[1]: want one value, found a mapping\n" +
		"f.yaml:3:1: a: is set twice, first in line 1\n" +
		"f.yaml:4:1: d: has no value\n    hint: give it a value or remove it; a text that reads null or ~ needs quotes"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if !r.Broken("b") || r.Broken("c") {
		t.Error("Broken must report a problem at or below the path, and no other")
	}
}

func TestAddPlacesAProblemAtTheNearestValue(t *testing.T) {
	root, _ := Parse([]byte("services:\n  shop:\n    run: x\n"), "")
	var r Reader
	services := r.Mapping(root, "")[0].Value
	r.Mapping(services, "")
	r.Add(Problem{Path: "services.shop.probe.path", Message: "m"})
	if p := r.Problems()[0]; p.Line != 2 || p.Column != 3 {
		t.Errorf("got place %d:%d, want that of services.shop, 2:3", p.Line, p.Column)
	}
}

func TestScalarsStayAsWritten(t *testing.T) {
	for _, text := range []string{"1.10", "yes", "0o17", "1e3", ".inf", "true"} {
		root, problems := Parse([]byte("a: "+text), "")
		if problems != nil {
			t.Fatal(problems)
		}
		var r Reader
		if got, ok := r.Mapping(root, "")[0].Value.Scalar(); !ok || got != text {
			t.Errorf("got %q, %v, want %q", got, ok, text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("a: {b: [1, 2]}\nc: |\n  text\n"))
	f.Add([]byte("a: &x\n- *x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		root, problems := Parse(data, "")
		if len(problems) > 0 {
			return
		}
		var r Reader
		var walk func(v Value, depth int)
		walk = func(v Value, depth int) {
			if v.IsMapping() {
				for _, e := range r.Mapping(v, "") {
					walk(e.Value, depth+1)
				}
			} else if v.IsList() {
				for _, item := range r.List(v) {
					walk(item, depth+1)
				}
			}
		}
		walk(root, 0)
		lines := strings.Count(string(data), "\n") + 1
		for _, p := range r.Problems() {
			if p.Line < 1 || p.Line > lines || p.Message == "" {
				t.Errorf("%+v in a file of %d lines", p, lines)
			}
		}
	})
}
