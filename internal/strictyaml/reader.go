package strictyaml

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Reader walks the values of one file and collects problems instead of stopping at the first. The zero value is ready. It is
// not safe for concurrent use.
type Reader struct {
	problems Problems
	places   Places // of every value that was read
}

// Places has the places of the values of a file, by path.
type Places map[string]Place

// Places returns the places of the values that were read so far. The caller must not change them.
func (r *Reader) Places() Places { return r.places }

// Problems returns the problems that were found so far, in the order in which they were found.
func (r *Reader) Problems() Problems { return r.problems }

// Problem reports an error about a value. Its hint is the method Hint of err, if it has one.
func (r *Reader) Problem(v Value, err error) { r.ProblemAt(v.Path, v.Place, err) }

// maxProblems limits what is collected.
const maxProblems = 1000

// ProblemAt reports an error about a path, at a place.
func (r *Reader) ProblemAt(path string, at Place, err error) {
	if len(r.problems) == maxProblems {
		return
	}
	p := ProblemAt(path, err)
	p.Line, p.Column = at.Line, at.Column
	r.problems = append(r.problems, p)
}

// Add reports a problem that was found without the file, at the place of its path. The place of a path that the file does not
// have is that of the nearest value around it.
func (r *Reader) Add(p Problem) {
	at := r.places.Locate(p.Path)
	p.Line, p.Column = at.Line, at.Column
	r.problems = append(r.problems, p)
}

// Report reports a problem as it is: one that has a place already, in another file. It reports an equal problem once.
func (r *Reader) Report(p Problem) {
	if len(r.problems) < maxProblems && !slices.Contains(r.problems, p) {
		r.problems = append(r.problems, p)
	}
}

// Locate returns the place of a path. The place of a path that the file does not have is that of the nearest value around it.
func (ps Places) Locate(path string) Place {
	for path != "" {
		if at, ok := ps[path]; ok {
			return at
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return Place{1, 1}
}

// Broken reports whether a problem was found at path or below it. Checks use it to leave out what follows from a known problem.
func (r *Reader) Broken(path string) bool {
	for _, p := range r.problems {
		if rest, ok := strings.CutPrefix(p.Path, path); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// Entry is one "key: value" of a mapping.
type Entry struct {
	Key       string
	At        Place // of the key
	Value     Value
	Duplicate bool // the mapping has the same key before
}

// Mapping reads v as a mapping with text keys. want names it in a problem. A duplicate key is a problem; both entries are
// returned, so that the problems of both values are found.
func (r *Reader) Mapping(v Value, want string) (all []Entry) {
	if v.entries != nil {
		return v.entries
	}
	m, ok := v.node.(ast.MapNode)
	if !ok {
		r.WrongKind(v, want)
		return nil
	}
	seen := map[string]int{}
	for it := m.MapRange(); it.Next(); {
		at := placeOf(it.Key())
		key, ok := scalar(it.Key())
		if !ok {
			r.ProblemAt(v.Path, at, Wrong("", "a key must be a name, found %s", kind(it.Key())))
			continue
		}
		path := join(v.Path, key)
		line, duplicate := seen[key]
		if duplicate {
			r.ProblemAt(path, at, Wrong("", "is set twice, first in line %d", line))
		} else {
			seen[key] = at.Line
		}
		all = append(all, Entry{key, at, r.child(path, it.Value(), at), duplicate})
	}
	return all
}

// join adds a key to a path. It shows a key only up to "=": NAME=secret is a common mistake in a list of variables.
func join(path, key string) string {
	key, _, _ = strings.Cut(key, "=")
	if path == "" {
		return key
	}
	return path + "." + key
}

// child returns the value of a node inside another, and remembers its place.
func (r *Reader) child(path string, n ast.Node, key Place) Value {
	v := Value{Path: path, Place: key, node: n}
	if _, ok := n.(ast.ScalarNode); ok && n.Type() != ast.NullType {
		v.Place = placeOf(n)
	}
	r.remember(v)
	return v
}

// remember keeps the place of a value, unless its path has one already.
func (r *Reader) remember(v Value) {
	if r.places == nil {
		r.places = Places{}
	}
	if _, known := r.places[v.Path]; !known {
		r.places[v.Path] = v.Place
	}
}

// List reads v as a list. A single value is a list of one.
func (r *Reader) List(v Value) []Value {
	s, ok := v.node.(*ast.SequenceNode)
	if !ok {
		return []Value{v}
	}
	items := make([]Value, len(s.Values))
	for i, item := range s.Values {
		items[i] = r.child(fmt.Sprintf("%s[%d]", v.Path, i), item, placeOf(item))
	}
	return items
}

// Text reads v as one value, in the words of the file. want names it in a problem.
func (r *Reader) Text(v Value, want string) (string, bool) {
	text, ok := v.Scalar()
	switch {
	case !ok:
		r.WrongKind(v, want)
	case strings.ContainsRune(text, 0):
		r.Problem(v, Wrong("", "contains a NUL character"))
		return "", false
	}
	return text, ok
}

// WrongKind reports that v has another shape than wanted. It does not show the value, which may be a secret in the wrong place.
func (r *Reader) WrongKind(v Value, want string) {
	if v.IsNull() {
		r.Problem(v, Wrong(`give it a value or remove it; a text that reads null or ~ needs quotes`, "has no value"))
		return
	}
	hint := ""
	if text, ok := v.Scalar(); ok {
		if key, ok := joinedKey(text); ok {
			hint = "put a space behind the colon of " + key + ":"
		}
	}
	r.Problem(v, Wrong(hint, "want %s, found %s", want, kind(v.node)))
}

var keyAndValue = regexp.MustCompile(`^([a-z_]{1,32}):[^ /]`)

// joinedKey returns the key of a text such as "run:[shop]", which YAML takes for one value. The text may be a secret in the
// wrong place, so nothing else of it is shown.
func joinedKey(text string) (key string, ok bool) {
	m := keyAndValue.FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	return m[1], true
}
