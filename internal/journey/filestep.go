package journey

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
	"github.com/tenfold-go/tenfold/internal/strictyaml"
	"github.com/tenfold-go/tenfold/internal/usertext"
)

// step reads one step of a visitor.
func (r *fileReader) step(v strictyaml.Value) *Step {
	s := &Step{}
	path, extracts := "", []strictyaml.Entry(nil)
	for _, e := range r.mapping(v, "a step: {path: /}") {
		switch e.Key {
		case "name":
			s.Name, _ = r.Text(e.Value, "a name")
		case "method":
			s.Method, _ = r.Text(e.Value, "a method as GET or POST")
			if !validToken(s.Method) || s.Method == http.MethodConnect {
				r.Problem(e.Value, wrong("GET, POST, PUT, PATCH, DELETE, ...", "%s is not a method", quote(s.Method)))
			}
		case "path":
			path, s.path = r.template(e.Value, "a path")
			if path != "" && !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "${") {
				r.Problem(e.Value, wrong("/cart, or ${name} with an extracted value", "%s is not a path", quote(path)))
			}
		case "headers":
			s.header = r.headers(e.Value)
		case "body":
			_, s.body = r.template(e.Value, "a text")
			s.hasBody = true
		case "think":
			s.Think = r.think(e.Value)
		case "expect":
			s.expect = r.expect(e.Value)
		case "extract":
			extracts = r.mapping(e.Value, "names with sources: {id: {json: $.id}}")
		default:
			r.unknown(e, "name, method, path, headers, body, think, expect, extract")
		}
	}
	for _, e := range extracts { // last, because a step cannot use a value that it extracts itself
		s.extract = append(s.extract, r.extraction(e))
	}
	if s.path == nil {
		r.Problem(v, wrong("path: /", "has no path"))
	}
	if s.Method == "" {
		s.Method = http.MethodGet
		if s.hasBody {
			s.Method = http.MethodPost
		}
	}
	if s.Name == "" {
		s.Name = s.Method + " " + path
	}
	return s
}

// template reads a text with variables. Each variable must be known at this place of the file.
func (r *fileReader) template(v strictyaml.Value, want string) (string, template) {
	text, ok := r.Text(v, want)
	if !ok {
		return "", nil
	}
	t, err := parseTemplate(text)
	if err != nil {
		r.Problem(v, err)
		return text, template{{text: text}}
	}
	for _, p := range t {
		if p.variable != "" && !r.isKnown(p.variable) {
			r.Problem(v, wrong("a variable is extracted by an earlier step, or comes from data (${users.email}), "+
				"or is visit.id or visit.number", "nothing sets ${%s}", p.variable))
		}
	}
	if t == nil {
		t = template{{}}
	}
	return text, t
}

func (r *fileReader) isKnown(name string) bool {
	if name == visitID || name == visitNumber || slices.Contains(r.known, name) {
		return true
	}
	file, column, _ := strings.Cut(name, ".")
	t, ok := r.j.tables[file]
	if !ok || t == nil {
		return ok // the file could not be read, which is another problem
	}
	_, ok = t.columns[column]
	return ok
}

func (r *fileReader) headers(v strictyaml.Value) (all []headerField) {
	for _, e := range r.mapping(v, "headers: {Accept: text/html}") {
		name := http.CanonicalHeaderKey(e.Key)
		switch {
		case !validToken(name):
			r.ProblemAt(e.Value.Path, e.At, wrong("", "is not the name of a header"))
		case name == "Content-Length" || wire.IsConnectionField(name):
			r.ProblemAt(e.Value.Path, e.At, wrong("", "follows from the request and cannot be set"))
		case name == "Cookie":
			r.ProblemAt(e.Value.Path, e.At, wrong("", "cannot be set, because each visit keeps its own cookies"))
		}
		_, t := r.template(e.Value, "a text")
		all = append(all, headerField{name, t})
	}
	return all
}

func (r *fileReader) think(v strictyaml.Value) (t Think) {
	text, ok := r.Text(v, "a time")
	if !ok {
		return t
	}
	low, high, between := strings.Cut(text, "..")
	if mean, ok := strings.CutPrefix(text, "exp("); ok && strings.HasSuffix(mean, ")") {
		low = strings.TrimSuffix(mean, ")")
		t.Max = exponential
	}
	var err, errHigh error
	t.Min, err = parseTime(low)
	if between {
		t.Max, errHigh = parseTime(high)
	}
	for _, part := range []string{low, high} {
		if ambiguous := usertext.CheckNumber(part); ambiguous != nil {
			r.Problem(v, ambiguous)
			return t
		}
	}
	if err != nil || errHigh != nil || t.Min < 0 || max(t.Min, t.Max) > maxThink || between && t.Max < t.Min {
		r.Problem(v, wrong("2s, or 1s..3s for a uniform time, or exp(2s) for an exponential time with that mean; up to 1h",
			"%s is not a think time", quote(text)))
	}
	return t
}

// secondsAlone is a time without a unit.
var secondsAlone = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)

func parseTime(text string) (time.Duration, error) {
	if secondsAlone.MatchString(text) {
		text += "s"
	}
	return time.ParseDuration(text)
}

func (r *fileReader) expect(v strictyaml.Value) (x expectation) {
	for _, e := range r.mapping(v, "{status: 200}") {
		switch e.Key {
		case "status":
			x.status = r.statuses(e.Value)
		case "contains":
			for _, item := range r.List(e.Value) {
				if text, ok := r.Text(item, "a text"); ok {
					x.contains = append(x.contains, text)
				}
			}
		case "json":
			x.json = r.jsonValues(e.Value)
		default:
			r.unknown(e, "status, contains, json")
		}
	}
	return x
}

func (r *fileReader) statuses(v strictyaml.Value) (codes []int) {
	for _, item := range r.List(v) {
		text, ok := r.Text(item, "a status")
		code, err := strconv.Atoi(text)
		if ok && (err != nil || code < 200 || code > 599) {
			r.Problem(item, wrong("200 to 599", "%s is not a status", quote(text)))
		}
		codes = append(codes, code)
	}
	return codes
}

func (r *fileReader) jsonValues(v strictyaml.Value) (values []jsonEqual) {
	for _, e := range r.mapping(v, "JSON paths with values: {$.status: paid}") {
		path, err := parseJSONPath(e.Key)
		if err != nil {
			r.ProblemAt(e.Value.Path, e.At, err)
		}
		_, want := r.template(e.Value, "a value")
		values = append(values, jsonEqual{path, want})
	}
	return values
}

func (r *fileReader) extraction(e strictyaml.Entry) (x extraction) {
	x.name = e.Key
	if !validVariable.MatchString(x.name) || strings.Contains(x.name, ".") {
		r.ProblemAt(e.Value.Path, e.At, wrong("letters, digits, - and _", "is not the name of a value"))
	}
	r.known = append(r.known, x.name)
	sources := r.mapping(e.Value, "a source: {json: $.id}, {header: Location}, {regexp: ...} or {cookie: NAME}")
	if len(sources) > 1 || len(sources) == 0 && len(r.Problems()) == 0 {
		r.Problem(e.Value, wrong("one of json, header, regexp, cookie", "want one source, found %d", len(sources)))
	}
	for _, s := range sources {
		text, ok := r.Text(s.Value, "a text")
		if !ok {
			continue
		}
		switch s.Key {
		case "json":
			path, err := parseJSONPath(text)
			if err != nil {
				r.Problem(s.Value, err)
			}
			x.from.json = &path
		case "header":
			x.from.header = text
		case "cookie":
			x.from.cookie = text
		case "regexp":
			expression, err := regexp.Compile(text)
			if err != nil {
				r.Problem(s.Value, wrong("RE2, as in id=([0-9]+)", "%s is not a regular expression", quote(text)))
			}
			x.from.regexp = expression
		default:
			r.unknown(s, "json, header, regexp, cookie")
		}
	}
	return x
}

// validToken reports whether s is a token as in RFC 9110 section 5.6.2.
func validToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		alphanumeric := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		return !alphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
}
