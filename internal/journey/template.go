package journey

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/tenfold-go/tenfold/internal/usertext"
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
		text, err := p.expand(value)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// expandPath is expand for a path with a query. It percent-encodes what a URL cannot contain. A value within the path
// also cannot begin a fragment, and a value after "=" in the query cannot begin another parameter. A value that is the
// beginning of the path, such as an extracted link, keeps its own "#" and must have valid escapes.
func (t template) expandPath(value func(name string) (string, bool)) (string, error) {
	path := ""
	for i, p := range t {
		text, err := p.expand(value)
		switch {
		case err != nil:
			return "", err
		case p.variable == "":
			path += usertext.EscapeURL(text, "")
		case i == 0:
			for j, part := range strings.Split(text, "%") {
				if j > 0 {
					path += "%"
				}
				path += usertext.EscapeURL(part, "")
			}
		case strings.Contains(path, "?") && strings.HasSuffix(path, "="):
			path += usertext.EscapeURL(text, "#&")
		default:
			path += usertext.EscapeURL(text, "#")
		}
	}
	return path, nil
}

// expand returns the text, or the value of the variable.
func (p templatePart) expand(value func(name string) (string, bool)) (string, error) {
	if p.variable == "" {
		return p.text, nil
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
	return v, nil
}
