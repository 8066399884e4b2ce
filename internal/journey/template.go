package journey

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// template is a text with ${name} in it, and ${name|url} or ${name|json} where a value has to be escaped for where it
// stands. "$${" is a plain "${".
type template []part

type part struct {
	text     string
	variable string // "" for plain text
	filter   string
}

var validVariable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)?$`)

func parseTemplate(text string) (t template, err error) {
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			t = append(t, part{text: plain.String()})
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
			return nil, wrong(`a plain "${" is written "$${"`, "a ${ is never closed")
		}
		name, filter, _ := strings.Cut(name, "|")
		if !validVariable.MatchString(name) {
			return nil, wrong("a name has letters, digits, - and _: ${id}, ${users.email}", "${%s} is not a variable", name)
		}
		if filter != "" && filter != "url" && filter != "json" {
			return nil, wrong("want ${name}, ${name|url} or ${name|json}", "%q is not a way to write a value", filter)
		}
		flush()
		t = append(t, part{variable: name, filter: filter})
		text = after
	}
}

// expand puts the values in.
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
			quoted, _ := json.Marshal(v) // a string cannot fail
			v = string(quoted[1 : len(quoted)-1])
		}
		b.WriteString(v)
	}
	return b.String(), nil
}
