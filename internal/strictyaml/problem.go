package strictyaml

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one error in a file, or a note about it. It never contains a secret.
type Problem struct {
	File    string `json:"file,omitempty"`   // the name that the caller gave to the file
	Line    int    `json:"line,omitempty"`   // from 1; 0 when the problem has no place in a file
	Column  int    `json:"column,omitempty"` // from 1, in characters
	Path    string `json:"path,omitempty"`   // "services.shop.probe.interval", "routes[2].to"
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what would be right
}

// String returns the problem as people read it: place, path, message, and the hint on a second line.
func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	}
	if p.Path != "" {
		fmt.Fprintf(&b, "%s: ", p.Path)
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		fmt.Fprintf(&b, "\n    hint: %s", p.Hint)
	}
	return b.String()
}

// ProblemAt returns err as a problem of the field at path. The hint comes from the method Hint of err, if it has one.
func ProblemAt(path string, err error) Problem {
	p := Problem{Path: path, Message: err.Error()}
	if h := (interface{ Hint() string })(nil); errors.As(err, &h) {
		p.Hint = h.Hint()
	}
	return p
}

// Problems are all problems of one file, in the order of its lines. As an error, Problems is never empty.
type Problems []Problem

// maxPrinted limits the output of Error: the first problems of a broken file explain the rest.
const maxPrinted = 50

func (ps Problems) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d problem", len(ps))
	if len(ps) != 1 {
		b.WriteByte('s')
	}
	if len(ps) > 0 && ps[0].File != "" {
		fmt.Fprintf(&b, " in %s", ps[0].File)
	}
	for i, p := range ps {
		if i == maxPrinted {
			fmt.Fprintf(&b, "\n... and %d more", len(ps)-i)
			break
		}
		fmt.Fprintf(&b, "\n%s", p)
	}
	return b.String()
}

// In sets the file of every problem that has none, sorts the problems by place, and returns them. Those of other files come
// last.
func (ps Problems) In(file string) Problems {
	for i := range ps {
		ps[i].File = cmp.Or(ps[i].File, file)
	}
	other := func(p Problem) string {
		if p.File == file {
			return ""
		}
		return p.File
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(other(a), other(b)), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
	return ps
}

// wrongValue is the error of a value that is refused.
type wrongValue struct{ message, hint string }

func (w *wrongValue) Error() string { return w.message }

// Hint says what would be right.
func (w *wrongValue) Hint() string { return w.hint }

// Wrong returns an error about a value. The hint says what would be right; it may be empty.
func Wrong(hint, format string, args ...any) error {
	return &wrongValue{fmt.Sprintf(format, args...), hint}
}

// Quote returns a value of the file for a message: quoted, and cut to a readable length.
func Quote(s string) string {
	const limit = 60
	if len(s) > 4*limit {
		s = strings.ToValidUTF8(s[:4*limit], "") + "..." // enough for 60 runes, and bounded work
	}
	if r := []rune(s); len(r) > limit {
		return fmt.Sprintf("%q...", string(r[:limit]))
	}
	return fmt.Sprintf("%q", s)
}
