package recording

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// path returns the template of the path and the query of step i.
func (v *visit) path(i int) string {
	u := v.kept[i].url
	if location, ok := v.location(i); ok {
		return location
	}
	var b strings.Builder
	name := ""
	for n, segment := range strings.Split(u.EscapedPath(), "/") {
		if n > 0 {
			b.WriteString("/")
		}
		plain, err := url.PathUnescape(segment)
		if err != nil || segment == "" {
			b.WriteString(escapeTemplate(segment))
			continue
		}
		b.WriteString(v.resolve(i, segmentName(name), plain, "", func(string) string { return escapeTemplate(segment) }))
		name = plain
	}
	path := b.String()
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if u.RawQuery == "" {
		return path
	}
	return path + "?" + v.pairs(i, u.RawQuery)
}

// segmentName names a segment of a path by the one before it, which usually says what it is: /orders/4711. A word such as
// tokens must not make a secret of what follows it.
func segmentName(before string) string {
	name := strings.TrimSuffix(clean(before), "s")
	if secretName.MatchString(name) || before == "" {
		return "id"
	}
	return name + "_id"
}

// location returns the template of a path that an earlier response names in its header Location, if it has a value that
// the service made.
func (v *visit) location(i int) (string, bool) {
	u := v.kept[i].url
	dynamic := slices.ContainsFunc(strings.Split(u.Path, "/"), func(s string) bool { return s != "" && isDynamic("", s) }) ||
		u.RawQuery != ""
	if i == 0 || !dynamic {
		return "", false
	}
	for _, value := range header(v.kept[i-1].Response.Headers, "Location") {
		if strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "//") && value == u.RequestURI() {
			return "${" + v.extract(i-1, "location", value, found{"header", "Location"}) + "}", true
		}
	}
	return "", false
}

// pairs returns the template of a query or of a form: a=b&c=d.
func (v *visit) pairs(i int, raw string) string {
	parts := strings.Split(raw, "&")
	for n, part := range parts {
		key, value, hasValue := strings.Cut(part, "=")
		name, errName := url.QueryUnescape(key)
		plain, errValue := url.QueryUnescape(value)
		switch {
		case errName != nil || errValue != nil || !hasValue && v.isHidden(name):
			v.note("step %d: a parameter without a readable value is left out", i+1)
			parts[n] = ""
		case !hasValue:
			parts[n] = escapeTemplate(key)
		default:
			parts[n] = escapeTemplate(key) + "=" + v.resolve(i, name, plain, "|url", func(string) string { return escapeTemplate(value) })
		}
	}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "&")
}

func (v *visit) isHidden(text string) bool {
	return looksSecret(text) || v.secrets[text] || v.hasSecret(text)
}

// copied are the headers that say how a request is meant. All others follow from the connection or the browser, or are
// secrets.
var copied = []string{"Accept", "Content-Type", "X-Requested-With", "Prefer", "Hx-Request", "Hx-Target", "Hx-Trigger", "Turbo-Frame",
	"X-Inertia", "Api-Version", "Accept-Version"}

// headers sets the header of step i.
func (v *visit) headers(i int) {
	e, s := v.kept[i], &v.steps[i]
	for _, h := range e.Request.Headers {
		name := http.CanonicalHeaderKey(h.Name)
		add := func(value string) { s.Header = append(s.Header, Field{name, value}) }
		switch {
		case !headerName.MatchString(name) || len(h.Value) > maxText ||
			slices.ContainsFunc(s.Header, func(f Field) bool { return f.Name == name }):
		case name == "Idempotency-Key":
			add("${visit.id}-" + strconv.Itoa(i+1)) // each visit has its own
		case name == "Authorization":
			v.authorization(i, h.Value, add)
		case name == "Cookie": // each visit keeps its own cookies
		case slices.Contains(copied, name):
			if name == "Accept" && h.Value == "*/*" || name == "Content-Type" && strings.HasPrefix(h.Value, "multipart/") {
				continue
			}
			add(v.resolve(i, name, h.Value, "", escapeTemplate))
		case strings.HasPrefix(name, "X-") && secretName.MatchString(name):
			add(v.resolve(i, name, h.Value, "", escapeTemplate))
		}
	}
}

// authorization adds credentials that an earlier response has handed out. Others are left out.
func (v *visit) authorization(i int, value string, add func(string)) {
	scheme, token, ok := strings.Cut(value, " ")
	if ok && strings.EqualFold(scheme, "bearer") {
		if variable, ok := v.variable(i, "access_token", token); ok {
			add(scheme + " ${" + variable + "}")
			return
		}
	}
	v.note("step %d: the header Authorization is left out, because no earlier response has its credentials: add them, for example "+
		"from a data file", i+1)
}

// body sets the body of step i.
func (v *visit) body(i int) {
	post, s := v.kept[i].Request.Post, &v.steps[i]
	if post == nil || post.Text == "" && len(post.Params) == 0 {
		return
	}
	text := post.Text
	if text == "" { // some browsers write a form only as its parameters
		var parts []string
		for _, p := range post.Params {
			parts = append(parts, url.QueryEscape(p.Name)+"="+url.QueryEscape(p.Value))
		}
		text = strings.Join(parts, "&")
	}
	mime := strings.ToLower(post.Type)
	switch {
	case len(text) > maxBody:
		v.dropBody(i, "it is larger than 64 KiB")
		return
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		v.dropBody(i, "it is not text")
		return
	case strings.HasPrefix(mime, "multipart/"):
		v.dropBody(i, "forms with files are not copied")
		return
	case strings.Contains(mime, "json"):
		if body, ok := v.jsonBody(i, text); ok {
			s.Body, s.HasBody = body, true
			return
		}
	case strings.HasPrefix(mime, "application/x-www-form-urlencoded"):
		s.Body, s.HasBody = v.pairs(i, text), true
		return
	}
	if v.isHidden(text) || slices.ContainsFunc(strings.FieldsFunc(text, notToken), looksSecret) {
		v.dropBody(i, "it has a secret")
		return
	}
	s.Body, s.HasBody = escapeTemplate(text), true
}

func notToken(r rune) bool {
	return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("-_+/=.~", r))
}

func (v *visit) dropBody(i int, why string) {
	v.note("step %d: the body is left out: %s", i+1, why)
	v.steps[i].Header = slices.DeleteFunc(v.steps[i].Header, func(f Field) bool { return f.Name == "Content-Type" })
}

// jsonBody returns the template of a JSON body.
func (v *visit) jsonBody(i int, text string) (string, bool) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var value any
	if d.Decode(&value) != nil || d.More() {
		return "", false
	}
	value = v.jsonValue(i, "", value, 0)
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(value) != nil {
		return "", false
	}
	return strings.TrimSpace(b.String()), true
}

// jsonValue replaces the texts in a JSON value. Numbers and switches under the name of a secret are replaced as well.
func (v *visit) jsonValue(i int, name string, value any, depth int) any {
	switch x := value.(type) {
	case string:
		return v.resolve(i, name, x, "|json", escapeTemplate)
	case json.Number:
		if secretName.MatchString(name) || v.secrets[x.String()] {
			return v.resolve(i, name, x.String(), "|json", escapeTemplate)
		}
	case map[string]any:
		all := map[string]any{}
		for _, key := range sortedKeys(x) {
			safe := escapeTemplate(key)
			if v.isHidden(key) {
				safe = Placeholder
			}
			all[safe] = v.jsonValue(i, key, x[key], depth+1)
		}
		return all
	case []any:
		for n := range x {
			x[n] = v.jsonValue(i, name, x[n], depth+1)
		}
	}
	return value
}
