package journey

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong in a file.
type Problem struct {
	File         string
	Line, Column int    // from 1
	Path         string // "visitors[0].steps[2].think"
	Message      string
	Hint         string // what would be right
}

func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	if p.Path != "" {
		fmt.Fprintf(&b, "%s: ", p.Path)
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		fmt.Fprintf(&b, "\n    hint: %s", p.Hint)
	}
	return b.String()
}

// Problems is everything that is wrong in a file, in the order of its lines.
type Problems []Problem

const maxProblems = 50

func (ps Problems) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d problem", len(ps))
	if len(ps) != 1 {
		b.WriteByte('s')
	}
	fmt.Fprintf(&b, " in %s", ps[0].File)
	for _, p := range ps {
		fmt.Fprintf(&b, "\n%s", p)
	}
	return b.String()
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// wrongValue says why a value is refused and what would be right.
type wrongValue struct{ message, hint string }

func (w *wrongValue) Error() string { return w.message }

func wrong(hint, format string, args ...any) error {
	return &wrongValue{fmt.Sprintf(format, args...), hint}
}

func hint(err error) string {
	var w *wrongValue
	if errors.As(err, &w) {
		return w.hint
	}
	return ""
}

// quote shows a text in a message, cut to a readable length.
func quote(s string) string {
	const most = 80
	if len(s) > 4*most {
		s = s[:4*most] // enough for most runes, and bounded work
	}
	if r := []rune(s); len(r) > most {
		return fmt.Sprintf("%q...", string(r[:most]))
	}
	return fmt.Sprintf("%q", s)
}
