package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong in a file, or worth a note. It never contains a secret.
type Problem struct {
	File    string `json:"file,omitempty"`   // as given to Parse
	Line    int    `json:"line,omitempty"`   // from 1; 0 when the problem has no place in a file
	Column  int    `json:"column,omitempty"` // from 1, in characters
	Path    string `json:"path,omitempty"`   // "services.shop.probe.interval", "routes[2].to"
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what would be right
}

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

// Problems is everything that is wrong in one file, in the order of its lines. It is never empty when it is an error.
type Problems []Problem

// maxPrinted bounds what Error prints: who has more problems than this reads the first ones first.
const maxPrinted = 50

func (ps Problems) Error() string {
	var b strings.Builder
	switch {
	case len(ps) == 1:
		b.WriteString("1 problem")
	default:
		fmt.Fprintf(&b, "%d problems", len(ps))
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

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
}

// wrongValue says why a value is refused and what would be right.
type wrongValue struct{ message, hint string }

func (w *wrongValue) Error() string { return w.message }

// Hint is what would be right.
func (w *wrongValue) Hint() string { return w.hint }

func wrong(hint, format string, args ...any) error {
	return &wrongValue{fmt.Sprintf(format, args...), hint}
}

// problemAt makes err a problem of the field at path.
func problemAt(path string, err error) Problem {
	p := Problem{Path: path, Message: err.Error()}
	if h := (interface{ Hint() string })(nil); errors.As(err, &h) {
		p.Hint = h.Hint()
	}
	return p
}

// quote shows a value of the file in a message, cut to a readable length.
func quote(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return fmt.Sprintf("%q...", string(r[:most]))
	}
	return fmt.Sprintf("%q", s)
}
