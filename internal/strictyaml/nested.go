package strictyaml

import (
	"slices"
	"strings"
)

// As returns v as the value at another path, so that its problems have that path. It is for a value under a misspelt key.
func (r *Reader) As(v Value, path string) Value {
	old := v.Path
	v.Path = path
	for i, e := range v.entries {
		v.entries[i].Value = r.As(e.Value, path+strings.TrimPrefix(e.Value.Path, old))
	}
	r.remember(v)
	return v
}

// Under returns entries as the mapping that is the value of parent, as if they were indented below it.
func (r *Reader) Under(parent Entry, entries []Entry) Value {
	v := Value{Path: parent.Value.Path, Place: parent.At, entries: make([]Entry, len(entries))}
	for i, e := range entries {
		if e.Duplicate { // it is the only one below its own parent
			r.problems = slices.DeleteFunc(r.problems, func(p Problem) bool {
				return p.Path == e.Value.Path && p.Line == e.At.Line && p.Column == e.At.Column
			})
			e.Duplicate = slices.ContainsFunc(entries[:i], func(other Entry) bool { return other.Key == e.Key })
		}
		e.Value = r.As(e.Value, join(v.Path, e.Key))
		v.entries[i] = e
	}
	return v
}

// Unindented returns the entries behind all[i] that are probably meant to be below it: all[i] has no value, and they begin
// in lines of their own, in the same column, up to the first one that belongs beside all[i]. It returns nil if there are
// none.
func Unindented(all []Entry, i int, beside func(Entry) bool) []Entry {
	parent := all[i]
	if !parent.Value.IsNull() {
		return nil
	}
	end := i + 1
	for end < len(all) && all[end].At.Column == parent.At.Column && all[end].At.Line > all[end-1].At.Line && !beside(all[end]) {
		end++
	}
	if end == i+1 {
		return nil
	}
	return all[i+1 : end]
}
