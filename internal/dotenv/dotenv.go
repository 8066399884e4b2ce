// Package dotenv reads files of environment variables, usually called .env. They have this syntax, and everything else is a
// problem:
//
//	# a comment                a line that begins with #, or what follows " #" after a value
//	NAME=plain value           to the end of the line, without spaces around it; no quotes, no backslashes
//	export NAME=value          the same
//	NAME='as it is'            everything up to the next ' is the value, also line ends
//	NAME="a \"b\"\n"           \n \r \t \" \\ and \$ stand for one character; may have line ends
//	NAME=${OTHER}/x            in plain values and "...", ${OTHER} is a variable above, of a file before, or of tenfold itself
//
// No shell reads them, so $(command) and `command` are problems, and so is $OTHER, which other programs read in different ways.
package dotenv

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// Limits of a file.
const (
	MaxFile      = 1 << 20 // bytes
	MaxVariables = 1000
	maxValue     = 128<<10 - 512 // the system passes no larger value to a program
)

const (
	bracesHint = "write ${%s} to insert the variable, or '...' around the value for a plain $"
	quotesHint = "'...' around the value keeps it as it is"
)

var nameForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// IsName reports whether s can be the name of a variable.
func IsName(s string) bool { return nameForm.MatchString(s) }

// Variable is one variable of a file.
type Variable struct {
	Name, Value string
	Line        int // of its assignment, from 1
}

// reader reads one file.
type reader struct {
	name   string // of the file, for problems
	text   string // what was not read yet
	line   int
	start  string // the current line, from its begin
	lookup func(string) (string, bool)

	variables []Variable
	problems  strictyaml.Problems
}

// Parse returns the variables of a file in their order. name is the file name in problems. lookup finds the variables that
// ${NAME} may refer to and that are not in the file itself. No problem contains a value.
func Parse(name string, data []byte, lookup func(string) (string, bool)) ([]Variable, strictyaml.Problems) {
	r := &reader{name: name, lookup: lookup, line: 1}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	switch {
	case len(data) > MaxFile:
		r.problem("", strictyaml.Wrong("", "the file is larger than 1MiB"))
	case !utf8.Valid(data):
		r.problem("", strictyaml.Wrong("save it as UTF-8", "the file is not UTF-8 text"))
	case bytes.IndexByte(data, 0) >= 0:
		r.problem("", strictyaml.Wrong("", "the file has a NUL character"))
	default:
		r.text = strings.ReplaceAll(string(data), "\r\n", "\n")
		for r.text != "" && len(r.problems) < 100 {
			r.start = r.text
			r.readLine()
		}
	}
	return r.variables, r.problems
}

// problem reports an error at the current place.
func (r *reader) problem(variable string, err error) {
	r.problemAt(r.line, 1+utf8.RuneCountInString(r.start[:max(0, len(r.start)-len(r.text))]), variable, err)
}

func (r *reader) problemAt(line, column int, variable string, err error) {
	p := strictyaml.ProblemAt(variable, err)
	p.File, p.Line, p.Column = r.name, line, column
	r.problems = append(r.problems, p)
}

// skip continues after the end of the line.
func (r *reader) skip() {
	_, r.text, _ = strings.Cut(r.text, "\n")
	r.line++
}

func (r *reader) trim() { r.text = strings.TrimLeft(r.text, " \t") }

var assignment = regexp.MustCompile(`^(?:export[ \t]+)?([^=\s#]*)([ \t]*)=([ \t]*)`)

// readLine reads an assignment, a comment or an empty line.
func (r *reader) readLine() {
	r.trim()
	if r.text == "" || r.text[0] == '\n' || r.text[0] == '#' {
		r.skip()
		return
	}
	line, _, _ := strings.Cut(r.text, "\n")
	m := assignment.FindStringSubmatch(line)
	switch {
	case m == nil:
		r.problem("", strictyaml.Wrong("NAME=value, or # in front of a comment", "the line has no \"=\""))
	case !IsName(m[1]):
		r.problem("", strictyaml.Wrong("letters, digits and _, as in LOG_LEVEL=debug", "%s is not a name for a variable", strictyaml.Quote(m[1])))
	case m[2] != "" || m[3] != "" && len(m[0]) < len(line) && line[len(m[0])] != '#':
		r.problem(m[1], strictyaml.Wrong("write "+m[1]+"=VALUE", "has spaces around \"=\""))
	default:
		r.text = r.text[len(m[0])-len(m[3]):]
		r.readValue(m[1])
		return
	}
	r.skip()
}

// readValue reads a value and the rest of its line.
func (r *reader) readValue(name string) {
	line := r.line
	var value string
	var err error
	switch {
	case strings.HasPrefix(r.text, "'"):
		value, err = r.single()
	case strings.HasPrefix(r.text, `"`):
		value, err = r.double()
	default:
		value, err = r.plain()
	}
	if err == nil {
		err = r.lineEnd()
	}
	if err == nil && len(value) > maxValue {
		err = strictyaml.Wrong("", "is longer than a program can get: %d bytes", len(value))
	}
	if err != nil {
		r.problem(name, err)
		r.skip()
		return
	}
	r.skip()
	for _, v := range r.variables {
		if v.Name == name {
			r.problemAt(line, 1, name, strictyaml.Wrong("remove one of them", "duplicate variable, first in line %d", v.Line))
			return
		}
	}
	if len(r.variables) == MaxVariables {
		r.problemAt(line, 1, name, strictyaml.Wrong("", "%d variables are enough for a file", MaxVariables))
		r.text = ""
		return
	}
	r.variables = append(r.variables, Variable{name, value, line})
}

// lineEnd checks that only a comment follows a value.
func (r *reader) lineEnd() error {
	rest, _, _ := strings.Cut(r.text, "\n")
	trimmed := strings.TrimLeft(rest, " \t")
	if trimmed == "" || trimmed[0] == '#' && len(trimmed) < len(rest) {
		return nil
	}
	return strictyaml.Wrong("only a comment may follow the closing quote, after a space", "has text after its closing quote")
}

// toLineEnd passes over a comment.
func (r *reader) toLineEnd() {
	if i := strings.IndexByte(r.text, '\n'); i >= 0 {
		r.text = r.text[i:]
	} else {
		r.text = ""
	}
}

// single reads '...'.
func (r *reader) single() (string, error) {
	value, rest, closed := strings.Cut(r.text[1:], "'")
	if !closed {
		return "", strictyaml.Wrong("", "has an opening ' without a closing one")
	}
	r.advance(rest)
	return value, nil
}

// advance continues at rest, a suffix of the text.
func (r *reader) advance(rest string) {
	read := r.text[:len(r.text)-len(rest)]
	r.line += strings.Count(read, "\n")
	if i := strings.LastIndexByte(read, '\n'); i >= 0 {
		r.start = r.text[i+1:]
	}
	r.text = rest
}

var escapes = map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', '"': '"', '\\': '\\', '$': '$'}

// double reads "...".
func (r *reader) double() (string, error) {
	var b strings.Builder
	text := r.text[1:]
	for text != "" {
		switch c := text[0]; c {
		case '"':
			r.advance(text[1:])
			return b.String(), nil
		case '\\':
			if len(text) < 2 || escapes[text[1]] == 0 {
				r.advance(text)
				return "", strictyaml.Wrong(`\n \r \t \" \\ or \$; `+quotesHint, `has a backslash that has no meaning here`)
			}
			b.WriteByte(escapes[text[1]])
			text = text[2:]
		default:
			value, rest, err := r.character(text)
			if err != nil {
				r.advance(text)
				return "", err
			}
			b.WriteString(value)
			text = rest
		}
	}
	return "", strictyaml.Wrong("", `has an opening " without a closing one`)
}

// plain reads a value without quotes, up to the end of the line or a comment.
func (r *reader) plain() (string, error) {
	var b strings.Builder
	text := r.text
	for text != "" && text[0] != '\n' {
		switch c := text[0]; {
		case c == '#' && (len(text) == len(r.text) || strings.ContainsRune(" \t", rune(r.text[len(r.text)-len(text)-1]))):
			r.text = text
			r.toLineEnd()
			return strings.TrimRight(b.String(), " \t"), nil
		case c == '\'' || c == '"' || c == '\\':
			r.text = text
			return "", strictyaml.Wrong(quotesHint, "has the character %q in a value without quotes", c)
		}
		value, rest, err := r.character(text)
		if err != nil {
			r.text = text
			return "", err
		}
		b.WriteString(value)
		text = rest
	}
	r.text = text
	return strings.TrimRight(b.String(), " \t"), nil
}

var reference = regexp.MustCompile(`^\$(?:\{([^}\n]*)(\}?)|([A-Za-z_][A-Za-z0-9_]*)|(\())`)

// character returns the value of the first character of text, or of the variable that begins there, and the text after it.
func (r *reader) character(text string) (value, rest string, err error) {
	if text[0] == '`' {
		return "", "", strictyaml.Wrong(quotesHint, "has a `: commands are not run")
	}
	m := reference.FindStringSubmatch(text)
	switch {
	case m == nil:
		return text[:1], text[1:], nil
	case m[4] != "":
		return "", "", strictyaml.Wrong(quotesHint, "has a \"$(\": commands are not run")
	case m[3] != "":
		return "", "", strictyaml.Wrong(fmt.Sprintf(bracesHint, m[3]), "has $%s, which other programs read in different ways", m[3])
	case m[2] == "" || !IsName(m[1]):
		return "", "", strictyaml.Wrong("'...' around the value for a plain \"${\"", "has a \"${\" that is not ${NAME}")
	}
	for _, v := range r.variables {
		if v.Name == m[1] {
			return v.Value, text[len(m[0]):], nil
		}
	}
	value, ok := r.lookup(m[1])
	if !ok {
		return "", "", strictyaml.Wrong("set it above, or before tenfold starts", "the variable %s is not set", m[1])
	}
	return value, text[len(m[0]):], nil
}
