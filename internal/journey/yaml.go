package journey

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits on a file, far above any real one.
const (
	maxFile   = 1 << 20 // bytes
	maxTokens = 20_000  // the YAML parser's work grows with the square of the keys in one mapping
	maxDepth  = 16
)

// refused are the parts of YAML that make a file mean something else than it says.
var refused = []token.Type{token.AnchorType, token.AliasType, token.MergeKeyType, token.TagType, token.DirectiveType, token.MappingKeyType}

// parseYAML turns the text of a file into its one mapping.
func parseYAML(data []byte) (ast.Node, *Problem) {
	at := func(line, column int, message, hint string) *Problem {
		return &Problem{Line: max(line, 1), Column: max(column, 1), Message: message, Hint: hint}
	}
	switch {
	case len(data) > maxFile:
		return nil, at(1, 1, "the file is larger than 1 MiB", "is this the right file?")
	case !utf8.Valid(data):
		return nil, at(1, 1, "the file is not UTF-8", "save it as UTF-8")
	case strings.ContainsFunc(string(data), func(r rune) bool { return r < ' ' && !strings.ContainsRune("\n\r\t", r) || r == 0x7f }):
		return nil, at(1, 1, "the file has control characters", `inside double quotes, write them as escapes: "\x1b"`)
	}
	tokens := lexer.Tokenize(string(data))
	if len(tokens) > maxTokens {
		return nil, at(1, 1, "the file has more than 20000 words and signs", "is this the right file?")
	}
	brackets, dashes, colons, line := 0, 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, dashes, colons = t.Position.Line, 0, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		case token.SequenceEntryType:
			dashes++
		case token.MappingValueType:
			if brackets == 0 {
				colons++
			}
		}
		if colons > 1 {
			return nil, at(t.Position.Line, t.Position.Column, `a second ": " in one line`, `put a value that contains ": " in quotes`)
		}
		if slices.Contains(refused, t.Type) {
			return nil, at(t.Position.Line, t.Position.Column, "anchors, aliases, tags and directives are not supported",
				"write out what they stand for; put a text that begins with & * ! % or ? in quotes")
		}
		if brackets > maxDepth || dashes > maxDepth {
			return nil, at(t.Position.Line, t.Position.Column, "nested too deeply", "")
		}
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	var syntax *yaml.SyntaxError
	switch {
	case errors.As(err, &syntax) && syntax.Token != nil && syntax.Token.Position != nil:
		return nil, at(syntax.Token.Position.Line, syntax.Token.Position.Column, syntax.Message, "")
	case err != nil:
		return nil, at(1, 1, "this is not YAML", "")
	case len(file.Docs) > 1:
		return nil, at(1, 1, "the file is more than one YAML document", `remove the "---"`)
	case len(file.Docs) == 0 || file.Docs[0].Body == nil:
		return nil, at(1, 1, "the file is empty", "the smallest journey is: steps: [{path: /}]")
	}
	return file.Docs[0].Body, nil
}

// reader walks the file and collects problems instead of stopping at the first.
type reader struct{ problems Problems }

// value is a place in the file.
type value struct {
	node         ast.Node
	path         string
	line, column int
}

func (r *reader) problem(v value, err error) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, Problem{Line: v.line, Column: v.column, Path: v.path, Message: err.Error(), Hint: hint(err)})
	}
}

func at(node ast.Node, path string) value {
	v := value{node, path, 1, 1}
	place := node
	if m, ok := node.(*ast.MappingNode); ok && len(m.Values) > 0 { // its own token is the first colon
		place = m.Values[0].Key
	}
	if place == nil {
		return v
	}
	if t := place.GetToken(); t != nil && t.Position != nil {
		v.line, v.column = t.Position.Line, t.Position.Column
	}
	return v
}

// entry is one "key: value".
type entry struct {
	key string
	at  value // of the key
	value
}

// mapping reads v as a mapping with text keys, each once.
func (r *reader) mapping(v value, want string) (all []entry) {
	m, ok := v.node.(ast.MapNode)
	if !ok {
		r.wrongKind(v, want)
		return nil
	}
	seen := map[string]bool{}
	for it := m.MapRange(); it.Next(); {
		key, ok := scalar(it.Key())
		place := at(it.Key(), v.path)
		if !ok {
			r.problem(place, wrong("", "a key must be a name"))
			continue
		}
		path := strings.TrimPrefix(v.path+"."+key, ".")
		place.path = path
		if seen[key] {
			r.problem(place, wrong("", "is set twice"))
			continue
		}
		seen[key] = true
		inner := at(it.Value(), path)
		if _, scalarNode := scalar(it.Value()); !scalarNode {
			inner.line, inner.column = place.line, place.column
		}
		all = append(all, entry{key, place, inner})
	}
	return all
}

// list reads v as a list; a single value is a list of one.
func (r *reader) list(v value) (all []value) {
	s, ok := v.node.(*ast.SequenceNode)
	if !ok {
		return []value{v}
	}
	for i, item := range s.Values {
		all = append(all, at(item, fmt.Sprintf("%s[%d]", v.path, i)))
	}
	return all
}

// text reads v as one value, in the words of the file.
func (r *reader) text(v value, want string) (string, bool) {
	text, ok := scalar(v.node)
	if !ok {
		r.wrongKind(v, want)
	}
	return text, ok
}

func (r *reader) wrongKind(v value, want string) {
	found := "a single value"
	switch {
	case v.node == nil || v.node.Type() == ast.NullType:
		found = "nothing"
	case v.node.Type() == ast.SequenceType:
		found = "a list"
	case v.node.Type() == ast.MappingType || v.node.Type() == ast.MappingValueType:
		found = "a mapping"
	}
	r.problem(v, wrong("", "want %s, found %s", want, found))
}

func scalar(n ast.Node) (string, bool) {
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
