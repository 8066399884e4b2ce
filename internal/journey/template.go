package journey

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// template is a text with variables: ${name}, or ${name|url} and ${name|json} for a value that must be escaped in a URL
// or in a JSON string. "$${" stands for a plain "${".
type template []templatePart

type templatePart struct {
	text     string
	variable string // "" for plain text
	filter   string
}

var validVariable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)?$`)

func parseTemplate(text string) (t template, err error) {
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			t = append(t, templatePart{text: plain.String()})
			plain.Reset()
		}
	}
	for {
		before, rest, found := strings.Cut(text, "${")
		if escaped, ok := strings.CutSuffix(before, "$"); ok && found {
			plain.WriteString(escaped + "${")
			text = rest
			continue
		}
		plain.WriteString(before)
		if !found {
			flush()
			return t, nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, wrong(`a plain "${" is written "$${"`, "a ${ is not closed")
		}
		name, filter, _ := strings.Cut(name, "|")
		if !validVariable.MatchString(name) {
			return nil, wrong("a name has letters, digits, - and _: ${id}, ${users.email}", "${%s} is not a variable", name)
		}
		if filter != "" && filter != "url" && filter != "json" {
			return nil, wrong("want ${name}, ${name|url} or ${name|json}", "unknown escape %q", filter)
		}
		flush()
		t = append(t, templatePart{variable: name, filter: filter})
		text = after
	}
}

// expand replaces the variables with their values. It fails if a variable has no value.
func (t template) expand(value func(name string) (string, bool)) (string, error) {
	if len(t) == 1 && t[0].variable == "" {
		return t[0].text, nil
	}
	var b strings.Builder
	for _, p := range t {
		if p.variable == "" {
			b.WriteString(p.text)
			continue
		}
		v, ok := value(p.variable)
		if !ok {
			return "", fmt.Errorf("${%s} has no value", p.variable)
		}
		switch p.filter {
		case "url":
			v = url.QueryEscape(v)
		case "json":
			quoted, _ := json.Marshal(v) // never fails for a string
			v = string(quoted[1 : len(quoted)-1])
		}
		b.WriteString(v)
	}
	return b.String(), nil
}
