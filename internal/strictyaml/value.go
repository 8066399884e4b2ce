package strictyaml

import (
	"github.com/goccy/go-yaml/ast"
)

// Place is a position in the file, counted from 1.
type Place struct{ Line, Column int }

// Value is a value of the file with its path and its place. A text has the place where it is written; a list or a mapping has
// the place of its key.
type Value struct {
	Path string // "services.shop.probe.interval", "routes[2].to"; "" is the root
	Place
	node    ast.Node
	entries []Entry // of a mapping that Under made; node is nil then
}

// IsList reports whether the value is a list.
func (v Value) IsList() bool {
	_, ok := v.node.(*ast.SequenceNode)
	return ok
}

// IsMapping reports whether the value is a mapping.
func (v Value) IsMapping() bool {
	_, ok := v.node.(ast.MapNode)
	return ok || v.entries != nil
}

// IsNull reports whether the value is missing, or written as null or ~.
func (v Value) IsNull() bool {
	return v.entries == nil && (v.node == nil || v.node.Type() == ast.NullType)
}

// Scalar returns a single value in the words of the file. It reports false for a list, a mapping and null.
func (v Value) Scalar() (string, bool) { return scalar(v.node) }

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

func kind(n ast.Node) string {
	switch {
	case n == nil: // made by Under
		return "a mapping"
	case n.Type() == ast.SequenceType:
		return "a list"
	case n.Type() == ast.MappingType, n.Type() == ast.MappingValueType:
		return "a mapping"
	}
	return "a single value"
}

func placeOf(n ast.Node) Place {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 { // the token of a mapping is its first colon
		n = m.Values[0].Key
	}
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return Place{1, 1}
	}
	return Place{t.Position.Line, t.Position.Column}
}
