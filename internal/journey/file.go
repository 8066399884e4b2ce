package journey

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// Limits of a journey.
const (
	maxVisitors = 100
	maxSteps    = 200 // of a visitor
	maxThink    = time.Hour
)

// Load reads a journey file and the CSV files that it names, relative to it. What is wrong in it comes back as Problems;
// any other error means that it could not be read.
func Load(path string) (*Journey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, strictyaml.MaxFile+1))
	if err != nil {
		return nil, err
	}
	return Parse(path, data, filepath.Dir(path))
}

// Parse reads the text of a journey; name is what its problems call it, and dir what its files are relative to. An error
// is of type Problems.
func Parse(name string, data []byte, dir string) (*Journey, error) {
	r := &fileReader{dir: dir}
	root, problems := strictyaml.Parse(data, "the smallest journey is: steps: [{path: /}]")
	if len(problems) == 0 {
		r.journey(root)
		problems = r.Problems()
	}
	if len(problems) > 0 {
		return nil, problems.In(name)
	}
	return r.j, nil
}

// fileReader reads a journey. Its uses of variables are checked when everything is read.
type fileReader struct {
	strictyaml.Reader
	dir   string
	j     *Journey
	known []string // names that earlier steps of this visitor extract
}

// mapping reads v as a mapping and omits entries with a duplicate key, which are problems.
func (r *fileReader) mapping(v strictyaml.Value, want string) []strictyaml.Entry {
	return slices.DeleteFunc(r.Mapping(v, want), func(e strictyaml.Entry) bool { return e.Duplicate })
}

func (r *fileReader) unknown(e strictyaml.Entry, fields string) {
	r.ProblemAt(e.Value.Path, e.At, wrong("fields: "+fields, "is not a field"))
}

func (r *fileReader) journey(v strictyaml.Value) {
	r.j = &Journey{tables: map[string]*table{}}
	entries := r.mapping(v, "a mapping with visitors, or with steps")
	for _, e := range entries { // first, because the steps use their columns
		if e.Key == "data" {
			r.data(e.Value)
		}
	}
	for _, e := range entries {
		switch e.Key {
		case "data":
		case "target":
			r.target(e.Value)
		case "visitors":
			for i, item := range r.List(e.Value) {
				if i == maxVisitors {
					r.Problem(item, wrong("", "more than %d visitors", maxVisitors))
					break
				}
				r.visitor(item)
			}
		case "steps":
			r.j.Visitors = append(r.j.Visitors, &Visitor{Name: "visitor", Weight: 1, Steps: r.steps(e.Value)})
		default:
			r.unknown(e, "target, data, visitors; or steps, for one kind of visitor")
		}
	}
	if len(r.Problems()) > 0 {
		return
	}
	for _, visitor := range r.j.Visitors {
		r.j.weight += visitor.Weight
	}
	if len(r.j.Visitors) == 0 {
		r.Problem(v, wrong("the smallest journey is: steps: [{path: /}]", "there are no visitors and no steps"))
	}
}

func (r *fileReader) target(v strictyaml.Value) {
	text, ok := r.Text(v, "a URL")
	if !ok {
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		r.Problem(v, wrong("for example http://localhost:8080", "%s is not the URL of a service", quote(text)))
		return
	}
	r.j.Target = text
}

func (r *fileReader) data(v strictyaml.Value) {
	for _, e := range r.mapping(v, "names of CSV files, as in users: users.csv") {
		file, ok := r.Text(e.Value, "the name of a CSV file")
		switch {
		case !ok:
		case !validVariable.MatchString(e.Key) || strings.Contains(e.Key, ".") || e.Key == "visit":
			r.ProblemAt(e.Value.Path, e.At, wrong("letters, digits, - and _; not visit", "is not a name for data"))
		default:
			if !filepath.IsAbs(file) {
				file = filepath.Join(r.dir, file)
			}
			t, err := readTable(file)
			if err != nil {
				r.Problem(e.Value, err)
				t = nil
			}
			r.j.tables[e.Key] = t
		}
	}
}

func (r *fileReader) visitor(v strictyaml.Value) {
	problems := len(r.Problems())
	visitor := &Visitor{Name: fmt.Sprintf("visitor %d", len(r.j.Visitors)+1), Weight: 1}
	for _, e := range r.mapping(v, "a visitor: {name, weight, steps}") {
		switch e.Key {
		case "name":
			visitor.Name, _ = r.Text(e.Value, "a name")
		case "weight":
			text, ok := r.Text(e.Value, "a number")
			w, err := strconv.ParseFloat(text, 64)
			if ok && (err != nil || !(w > 0 && w <= 1e6)) {
				r.Problem(e.Value, wrong("a number above 0", "%s is not a weight", quote(text)))
			}
			visitor.Weight = w
		case "steps":
			visitor.Steps = r.steps(e.Value)
		default:
			r.unknown(e, "name, weight, steps")
		}
	}
	if visitor.Steps == nil && len(r.Problems()) == problems {
		r.Problem(v, wrong("steps: [{path: /}]", "has no steps"))
	}
	r.j.Visitors = append(r.j.Visitors, visitor)
}

func (r *fileReader) steps(v strictyaml.Value) (all []*Step) {
	r.known = nil
	for i, item := range r.List(v) {
		if i == maxSteps {
			r.Problem(item, wrong("", "more than %d steps", maxSteps))
			break
		}
		all = append(all, r.step(item))
	}
	if len(all) == 0 {
		r.Problem(v, wrong("steps: [{path: /}]", "has no steps"))
	}
	return all
}

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
				r.Problem(e.Value, wrong("/cart, or ${name} of a value that was extracted", "%s is not a path", quote(path)))
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
	for _, e := range extracts { // last, so that a step does not use what it only extracts
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

// template reads a text whose variables are all known by now.
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
			r.Problem(v, wrong("a variable comes from an extract of an earlier step, from data (${users.email}), or is visit.id or visit.number",
				"nothing sets ${%s}", p.variable))
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
		return ok // its file could not be read, which was said
	}
	_, ok = t.columns[column]
	return ok
}

// ownHeaders follow from the request, or are kept by the visit.
var ownHeaders = []string{"Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Trailer", "Te", "Keep-Alive", "Proxy-Connection", "Cookie"}

func (r *fileReader) headers(v strictyaml.Value) (all []headerField) {
	for _, e := range r.mapping(v, "headers: {Accept: text/html}") {
		name := http.CanonicalHeaderKey(e.Key)
		if !validToken(name) {
			r.ProblemAt(e.Value.Path, e.At, wrong("", "is not the name of a header"))
		}
		if slices.Contains(ownHeaders, name) {
			r.ProblemAt(e.Value.Path, e.At, wrong("", "follows from the request and cannot be set"))
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
	t.Min, err = time.ParseDuration(low)
	if between {
		t.Max, errHigh = time.ParseDuration(high)
	}
	if err != nil || errHigh != nil || t.Min < 0 || max(t.Min, t.Max) > maxThink || between && t.Max < t.Min {
		r.Problem(v, wrong("2s, or 1s..3s for any time between, or exp(2s) for exponential times with that mean; up to 1h",
			"%s is not a time to think", quote(text)))
	}
	return t
}

func (r *fileReader) expect(v strictyaml.Value) (x expectation) {
	for _, e := range r.mapping(v, "{status: 200}") {
		switch e.Key {
		case "status":
			for _, item := range r.List(e.Value) {
				text, ok := r.Text(item, "a status")
				code, err := strconv.Atoi(text)
				if ok && (err != nil || code < 200 || code > 599) {
					r.Problem(item, wrong("200 to 599", "%s is not a status", quote(text)))
				}
				x.status = append(x.status, code)
			}
		case "contains":
			for _, item := range r.List(e.Value) {
				if text, ok := r.Text(item, "a text"); ok {
					x.contains = append(x.contains, text)
				}
			}
		case "json":
			for _, j := range r.mapping(e.Value, "JSON paths with values: {$.status: paid}") {
				path, err := parseJSONPath(j.Key)
				if err != nil {
					r.ProblemAt(j.Value.Path, j.At, err)
				}
				_, want := r.template(j.Value, "a value")
				x.json = append(x.json, jsonEqual{path, want})
			}
		default:
			r.unknown(e, "status, contains, json")
		}
	}
	return x
}

func (r *fileReader) extraction(e strictyaml.Entry) (x extraction) {
	x.name = e.Key
	if !validVariable.MatchString(x.name) || strings.Contains(x.name, ".") {
		r.ProblemAt(e.Value.Path, e.At, wrong("letters, digits, - and _", "is not a name for a value"))
	}
	r.known = append(r.known, x.name)
	sources := r.mapping(e.Value, "where from: {json: $.id}, {header: Location}, {regexp: ...} or {cookie: NAME}")
	if len(sources) > 1 || len(sources) == 0 && len(r.Problems()) == 0 {
		r.Problem(e.Value, wrong("one of json, header, regexp, cookie", "wants one source, found %d", len(sources)))
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

// validToken is RFC 9110 section 5.6.2.
func validToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.ContainsRune("!#$%&'*+-.^_`|~", c))
	})
}
