package journey

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// expectation is what an answer has to be.
type expectation struct {
	status   []int // any of them; empty: below 400
	contains []string
	json     []jsonEqual
}

type jsonEqual struct {
	path jsonPath
	want template
}

// extraction takes a value from an answer.
type extraction struct {
	name string
	from source
}

// source is where a value is taken from: exactly one of these.
type source struct {
	json   *jsonPath
	header string
	regexp *regexp.Regexp // the first group, or the whole match
	cookie string
}

func (s source) readsBody() bool { return s.json != nil || s.regexp != nil }

func (s source) String() string {
	switch {
	case s.json != nil:
		return s.json.text
	case s.header != "":
		return "header " + s.header
	case s.regexp != nil:
		return "regexp " + s.regexp.String()
	}
	return "cookie " + s.cookie
}

// answered is a response whose JSON is read at most once.
type answered struct {
	*Response
	read  bool
	value any
	err   error
}

func (a *answered) json() (any, error) {
	if !a.read {
		a.read = true
		a.value, a.err = decodeJSON(a.Body)
	}
	return a.value, a.err
}

// check returns what is wrong with the answer: in short, to be counted, and in full.
func (e expectation) check(a *answered, value func(string) (string, bool)) (short, full string) {
	if !e.allows(a.Status) {
		short = fmt.Sprintf("status %d", a.Status)
		return short, fmt.Sprintf("%s, want %s; %s", short, e.wantStatus(), begins(a.Body))
	}
	for _, text := range e.contains {
		if !bytes.Contains(a.Body, []byte(text)) {
			return "body lacks a text", fmt.Sprintf("the body lacks %s; %s", quote(text), begins(a.Body))
		}
	}
	for _, j := range e.json {
		doc, err := a.json()
		if err != nil {
			return err.Error(), fmt.Sprintf("%v; %s", err, begins(a.Body))
		}
		got, ok := j.path.find(doc)
		if !ok {
			return j.path.text + " is missing", fmt.Sprintf("the answer has no %s; it is %s", j.path.text, quote(string(a.Body)))
		}
		want, err := j.want.expand(value)
		if err != nil {
			return err.Error(), err.Error()
		}
		if text := jsonText(got); text != want {
			return j.path.text + " differs", fmt.Sprintf("%s is %s, want %s", j.path.text, quote(text), quote(want))
		}
	}
	return "", ""
}

func (e expectation) allows(status int) bool {
	if len(e.status) == 0 {
		return status < 400
	}
	return slices.Contains(e.status, status)
}

func (e expectation) wantStatus() string {
	if len(e.status) == 0 {
		return "below 400"
	}
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(e.status), "[]"), " ", " or ")
}

// begins shows the beginning of a body.
func begins(body []byte) string {
	if len(body) == 0 {
		return "the answer is empty"
	}
	return "the answer begins " + quote(string(body))
}

// take returns the value that the source names.
func (s source) take(a *answered, cookies []*http.Cookie) (string, error) {
	switch {
	case s.json != nil:
		doc, err := a.json()
		if err != nil {
			return "", err
		}
		if v, ok := s.json.find(doc); ok {
			return jsonText(v), nil
		}
	case s.header != "":
		if v := a.Header.Get(s.header); v != "" {
			return v, nil
		}
	case s.regexp != nil:
		if m := s.regexp.FindSubmatch(a.Body); m != nil {
			return string(m[min(1, len(m)-1)]), nil
		}
	default:
		for _, c := range cookies {
			if c.Name == s.cookie {
				return c.Value, nil
			}
		}
	}
	return "", fmt.Errorf("the answer has no %s", s)
}
