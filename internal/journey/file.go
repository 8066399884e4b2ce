package journey

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
	"github.com/tenfold-go/tenfold/internal/usertext"
)

// Limits of a journey.
const (
	maxVisitors = 100
	maxSteps    = 200 // of one visitor
	maxThink    = time.Hour
)

// Load reads a journey file and the CSV files that it names, relative to its directory. It fails with Problems if the
// file has mistakes, and with another error if it cannot be read.
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

// Parse reads the text of a journey. Problems call it name, and the CSV files are relative to dir. An error is of type
// Problems.
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

// fileReader reads a journey. It checks that each variable is set by an earlier step or by a CSV file.
type fileReader struct {
	strictyaml.Reader
	dir   string
	j     *Journey
	known []string // values that earlier steps of this visitor extract
}

// mapping reads v as a mapping and omits entries with a duplicate key, which are problems.
func (r *fileReader) mapping(v strictyaml.Value, want string) []strictyaml.Entry {
	return slices.DeleteFunc(r.Mapping(v, want), func(e strictyaml.Entry) bool { return e.Duplicate })
}

// unknown reports a field that does not exist.
func (r *fileReader) unknown(e strictyaml.Entry, fields string) {
	r.ProblemAt(e.Value.Path, e.At, wrong("fields: "+fields, "unknown field"))
}

func (r *fileReader) journey(v strictyaml.Value) {
	r.j = &Journey{tables: map[string]*table{}}
	entries := r.mapping(v, "a mapping with visitors, or with steps")
	for _, e := range entries { // first, because the steps use the columns of the files
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
			r.visitors(e.Value)
		case "steps":
			r.j.Visitors = append(r.j.Visitors, &Visitor{Name: "visitor", Weight: 1, Steps: r.steps(e.Value)})
		default:
			r.unknown(e, "target, data, visitors; or steps for a single kind of visitor")
		}
	}
	if len(r.Problems()) > 0 {
		return
	}
	for _, visitor := range r.j.Visitors {
		r.j.weight += visitor.Weight
	}
	if len(r.j.Visitors) == 0 {
		r.Problem(v, wrong("the smallest journey is: steps: [{path: /}]", "no visitors and no steps"))
	}
}

func (r *fileReader) target(v strictyaml.Value) {
	text, ok := r.Text(v, "a URL")
	if !ok {
		return
	}
	isSocket := func(prefix string) bool { return strings.HasPrefix(text, prefix) }
	if slices.ContainsFunc([]string{"unix:", "http+unix:", "http://unix:"}, isSocket) {
		r.j.Target = text // a socket; the caller that connects checks the rest
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		r.Problem(v, wrong("for example http://localhost:8080 or unix:/run/shop.sock",
			"%s is not the URL of a service", quote(text)))
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
			r.ProblemAt(e.Value.Path, e.At, wrong("letters, digits, - and _; not visit", "is not the name of a file"))
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

func (r *fileReader) visitors(v strictyaml.Value) {
	for i, item := range r.List(v) {
		if i == maxVisitors {
			r.Problem(item, wrong("", "more than %d visitors", maxVisitors))
			return
		}
		r.visitor(item)
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
			if ambiguous := usertext.CheckNumber(text); ok && ambiguous != nil {
				r.Problem(e.Value, ambiguous)
			} else if ok && (err != nil || !(w > 0 && w <= 1e6)) {
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
