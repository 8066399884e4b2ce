package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// node is a value of the file with its path and its place.
type node struct {
	ast.Node
	path string
	at   place
}

// place is where something stands in the file, from 1.
type place struct{ line, column int }

// reader walks the file and collects problems instead of stopping at the first.
type reader struct {
	getenv   func(string) (string, bool)
	dir      string // absolute; paths of the file are relative to it
	problems Problems
	places   map[string]place // of every field that was read, by path
}

func (r *reader) problem(n node, err error) { r.problemIn(n.path, n.at, err) }

// refused reports a value that could not be used.
func (r *reader) refused(n node, text string, err error) {
	if strings.Contains(text, "${") {
		err = wrong("only admin.token and the env of a service are", "is not read from the environment here")
	}
	r.problem(n, err)
}

// maxProblems bounds what is collected: a file with more is no tenfold.yaml.
const maxProblems = 1000

func (r *reader) problemIn(path string, at place, err error) {
	if len(r.problems) == maxProblems {
		return
	}
	p := problemAt(path, err)
	p.Line, p.Column = at.line, at.column
	r.problems = append(r.problems, p)
}

// broken tells whether a problem was found at path or below it, so that what follows from it need not be said as well.
func (r *reader) broken(path string) bool {
	for _, p := range r.problems {
		if rest, ok := strings.CutPrefix(p.Path, path); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// locate finds the place of a path, or of the nearest thing around it that the file has.
func (r *reader) locate(path string) place {
	for path != "" {
		if at, ok := r.places[path]; ok {
			return at
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return place{1, 1}
}

// child makes the node of a value inside another. A text stands where it is written, a list or mapping where its key is.
func (r *reader) child(path string, value ast.Node, key place) node {
	n := node{value, path, key}
	if _, ok := value.(ast.ScalarNode); ok && value.Type() != ast.NullType {
		n.at = placeOf(value)
	}
	if _, twice := r.places[path]; !twice {
		r.places[path] = n.at
	}
	return n
}

func placeOf(n ast.Node) place {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 { // its own token is the first colon
		n = m.Values[0].Key
	}
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return place{1, 1}
	}
	return place{t.Position.Line, t.Position.Column}
}

// keyed is one "key: value" of a mapping.
type keyed struct {
	key   string
	at    place // of the key
	value node
	first bool // false when the same key was there before
}

// mapping reads n as a mapping with text keys. Keys that come twice are problems; both values are handed out, so that
// their own problems are found too.
func (r *reader) mapping(n node, want string) (all []keyed) {
	m, ok := n.Node.(ast.MapNode)
	if !ok {
		r.wrongKind(n, want)
		return nil
	}
	seen := map[string]int{}
	for it := m.MapRange(); it.Next(); {
		at := placeOf(it.Key())
		key, ok := scalarText(it.Key())
		if !ok {
			r.problemIn(n.path, at, wrong("", "a key must be a name, found %s", kind(it.Key())))
			continue
		}
		path := join(n.path, key)
		line, twice := seen[key]
		if twice {
			r.problemIn(path, at, wrong("", "is set twice, first in line %d", line))
		} else {
			seen[key] = at.line
		}
		all = append(all, keyed{key, at, r.child(path, it.Value(), at), !twice})
	}
	return all
}

// join adds a key to a path. A key never shows more than what stands before "=": NAME=secret is a common slip in env.
func join(path, key string) string {
	key, _, _ = strings.Cut(key, "=")
	if path == "" {
		return key
	}
	return path + "." + key
}

// list reads n as a list; where the file may also give a single value, that is a list of one.
func (r *reader) list(n node) []node {
	s, ok := n.Node.(*ast.SequenceNode)
	if !ok {
		return []node{n}
	}
	items := make([]node, len(s.Values))
	for i, v := range s.Values {
		items[i] = r.child(fmt.Sprintf("%s[%d]", n.path, i), v, placeOf(v))
	}
	return items
}

// text reads n as one value, in the words of the file: 1.10 stays "1.10" and yes stays "yes". want names it in a problem.
func (r *reader) text(n node, want string) (string, bool) {
	text, ok := scalarText(n.Node)
	switch {
	case !ok:
		r.wrongKind(n, want)
	case strings.ContainsRune(text, 0):
		r.problem(n, wrong("", "contains a NUL character"))
		return "", false
	}
	return text, ok
}

// wrongKind says that n has another shape than wanted, without showing it: it may be a secret in the wrong place.
func (r *reader) wrongKind(n node, want string) {
	if isNull(n.Node) {
		r.problem(n, wrong(`give it a value or remove it; a text that reads null or ~ needs quotes`, "has no value"))
		return
	}
	r.problem(n, wrong("", "want %s, found %s", want, kind(n.Node)))
}

func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func isNull(n ast.Node) bool { return n == nil || n.Type() == ast.NullType }

func kind(n ast.Node) string {
	switch {
	case n.Type() == ast.SequenceType:
		return "a list"
	case n.Type() == ast.MappingType, n.Type() == ast.MappingValueType:
		return "a mapping"
	}
	return "a single value"
}
