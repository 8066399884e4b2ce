package journey

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// expectation is what a step expects of its response.
type expectation struct {
	status   []int // one of these; empty: any status below 400
	contains []string
	json     []jsonEqual
}

type jsonEqual struct {
	path jsonPath
	want template
}

// extraction takes a value from a response.
type extraction struct {
	name string
	from source
}

// source is where a value is taken from. Exactly one field is set.
type source struct {
	json   *jsonPath
	header string
	regexp *regexp.Regexp // takes the first group, or the whole match without groups
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

// parsed is a response whose JSON is parsed at most once.
type parsed struct {
	*Response
	done  bool
	value any
	err   error
}

func (p *parsed) json() (any, error) {
	if !p.done {
		p.done = true
		p.value, p.err = decodeJSON(p.Body)
	}
	return p.value, p.err
}

// check returns what is wrong with the response: in short, to be counted, and in full. Both are empty if it is right.
func (e expectation) check(p *parsed, value func(string) (string, bool)) (short, full string) {
	if !e.allows(p.Status) {
		short = fmt.Sprintf("status %d", p.Status)
		return short, fmt.Sprintf("%s, want %s; %s", short, e.wantStatus(), beginning(p.Body))
	}
	for _, text := range e.contains {
		if !bytes.Contains(p.Body, []byte(text)) {
			return "body lacks a text", fmt.Sprintf("the body lacks %s; %s", quote(text), beginning(p.Body))
		}
	}
	for _, j := range e.json {
		doc, err := p.json()
		if err != nil {
			return err.Error(), fmt.Sprintf("%v; %s", err, beginning(p.Body))
		}
		got, ok := j.path.find(doc)
		if !ok {
			full = fmt.Sprintf("the response has no %s; it is %s", j.path.text, quote(string(p.Body)))
			return j.path.text + " is missing", full
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

// beginning describes the beginning of a body.
func beginning(body []byte) string {
	if len(body) == 0 {
		return "the response is empty"
	}
	return "the response begins " + quote(string(body))
}

// take returns the value at the source.
func (s source) take(p *parsed, cookies []*http.Cookie) (string, error) {
	switch {
	case s.json != nil:
		doc, err := p.json()
		if err != nil {
			return "", err
		}
		if v, ok := s.json.find(doc); ok {
			return jsonText(v), nil
		}
	case s.header != "":
		if v := p.Header.Get(s.header); v != "" {
			return v, nil
		}
	case s.regexp != nil:
		if m := s.regexp.FindSubmatch(p.Body); m != nil {
			return string(m[min(1, len(m)-1)]), nil
		}
	default:
		for _, c := range cookies {
			if c.Name == s.cookie {
				return c.Value, nil
			}
		}
	}
	return "", fmt.Errorf("the response has no %s", s)
}
