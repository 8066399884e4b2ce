package recording

import (
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// found is a place in a response that has a value.
type found struct{ kind, source string }

// find looks for a value in the response of an entry: in its cookies, its headers and its body.
func (e *entry) find(value string, parsed *any) (found, bool) {
	for _, line := range header(e.Response.Headers, "Set-Cookie") {
		name, rest, _ := strings.Cut(line, "=")
		got, _, _ := strings.Cut(rest, ";")
		if plain, err := url.QueryUnescape(got); got == value || err == nil && plain == value && got == plain {
			return found{"cookie", strings.TrimSpace(name)}, true
		}
	}
	for _, h := range e.Response.Headers {
		if h.Value == value && !strings.EqualFold(h.Name, "Set-Cookie") {
			return found{"header", h.Name}, true
		}
	}
	text := e.Response.Content.Text
	if text == "" || len(value) < 3 || !strings.ContainsAny(value, "\"\\/&<>'") && !strings.Contains(text, value) {
		return found{}, false
	}
	if strings.Contains(e.Response.Content.Type, "json") {
		if *parsed == nil {
			d := json.NewDecoder(strings.NewReader(text))
			d.UseNumber()
			if d.Decode(parsed) != nil {
				*parsed = false
			}
		}
		path, ok := findJSON(*parsed, value, "$", 0)
		return found{"json", path}, ok
	}
	return findText(text, value)
}

var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// findJSON returns the path of a value in a JSON document.
func findJSON(v any, value, path string, depth int) (string, bool) {
	const maxDepth = 20
	switch v := v.(type) {
	case string:
		return path, v == value
	case json.Number:
		return path, v.String() == value
	case map[string]any:
		for _, key := range sortedKeys(v) {
			at := path + "." + key
			if !plainKey.MatchString(key) {
				if strings.ContainsAny(key, "'\\") {
					continue
				}
				at = path + "['" + key + "']"
			}
			if p, ok := findJSON(v[key], value, at, depth+1); ok && depth < maxDepth {
				return p, true
			}
		}
	case []any:
		for i, item := range v {
			if p, ok := findJSON(item, value, path+"["+strconv.Itoa(i)+"]", depth+1); ok && depth < maxDepth {
				return p, true
			}
		}
	}
	return "", false
}

var (
	inputTag  = regexp.MustCompile(`(?is)<(?:input|meta)\b[^>]{0,1000}>`)
	attribute = regexp.MustCompile(`(?is)\b(name|value|content)\s*=\s*("[^"]*"|'[^']*')`)
	anchor    = regexp.MustCompile(`[A-Za-z0-9_-]{2,30}["']?\s*[:=]\s*["']?$`)
)

// findText returns a regular expression that takes a value out of a page: from a field of a form, from a meta tag, or from
// behind a name in a script.
func findText(text, value string) (found, bool) {
	for _, tag := range inputTag.FindAllString(text, 10_000) {
		attributes, order := map[string]string{}, []string{}
		for _, m := range attribute.FindAllStringSubmatch(tag, 20) {
			name := strings.ToLower(m[1])
			attributes[name] = html.UnescapeString(m[2][1 : len(m[2])-1])
			order = append(order, name+"="+m[2][:1])
		}
		name := attributes["name"]
		if name == "" || len(name) > 100 || attributes["value"] != value && attributes["content"] != value {
			continue
		}
		for _, pattern := range tagPatterns(name, order) {
			if takes(pattern, text, value) {
				return found{"regexp", pattern}, true
			}
		}
	}
	for from := 0; ; {
		i := strings.Index(text[from:], value)
		if i < 0 {
			return found{}, false
		}
		i += from
		if before := anchor.FindString(text[max(0, i-40):i]); before != "" && !looksSecret(strings.Trim(before, `"':= `)) {
			pattern := regexp.QuoteMeta(before) + `([^"'<>&\s;,]+)`
			if takes(pattern, text, value) {
				return found{"regexp", pattern}, true
			}
		}
		from = i + len(value)
	}
}

// tagPatterns are expressions for the value of a tag with that name, in the order of its attributes.
func tagPatterns(name string, order []string) (all []string) {
	named := regexp.QuoteMeta(name)
	for _, o := range order {
		key, quote, _ := strings.Cut(o, "=")
		if key == "name" {
			continue
		}
		value := fmt.Sprintf(`%s=%s([^%s]*)%s`, key, quote, quote, quote)
		all = append(all, `name=["']`+named+`["'][^>]*\s`+value, value+`[^>]*\sname=["']`+named+`["']`)
	}
	return all
}

// takes reports whether the first match of a pattern in a page is the value.
func takes(pattern, text, value string) bool {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return false
	}
	m := re.FindStringSubmatch(text)
	return len(m) == 2 && m[1] == value
}
