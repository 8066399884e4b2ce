package config

import (
	"regexp"
	"slices"
	"strings"
)

// Template is a text with placeholders such as {host}.
type Template struct{ parts []templatePart }

// templatePart is plain text, or a placeholder and where it stands.
type templatePart struct {
	text  string
	name  string // of a placeholder; "" for plain text
	query bool   // the placeholder is a value in a query, which must not end that value
}

var placeholder = regexp.MustCompile(`\{([a-z_]+)\}`)

// ParseTemplate reads a text with the placeholders of names. Any other text in braces stays as it is.
func ParseTemplate(s string, names []string) Template {
	var t Template
	plain := 0
	inQuery := func(at int) bool { return strings.IndexByte(s[:at], '?') >= 0 }
	for _, m := range placeholder.FindAllStringSubmatchIndex(s, -1) {
		name := s[m[2]:m[3]]
		if !slices.Contains(names, name) {
			continue
		}
		t.add(s[plain:m[0]])
		whole := name == "query" && m[0] > 0 && strings.IndexByte("?&", s[m[0]-1]) >= 0
		t.parts = append(t.parts, templatePart{name: name, query: inQuery(m[0]) && !whole})
		plain = m[1]
	}
	t.add(s[plain:])
	return t
}

func (t *Template) add(text string) {
	if text != "" {
		t.parts = append(t.parts, templatePart{text: text})
	}
}

// Expand returns the text with a value for each placeholder. query reports that the placeholder is a value in a query.
func (t Template) Expand(value func(name string, query bool) string) string {
	if len(t.parts) == 1 && t.parts[0].name == "" {
		return t.parts[0].text
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.name == "" {
			b.WriteString(p.text)
		} else {
			b.WriteString(value(p.name, p.query))
		}
	}
	return b.String()
}
