package config

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// This file reads files of environment variables, usually called .env. They have this syntax, and everything else is a problem:
//
//	# a comment                a line that begins with #, or what follows " #" after a value
//	NAME=plain value           to the end of the line, without spaces around it; no quotes, no backslashes
//	export NAME=value          the same
//	NAME='as it is'            everything up to the next ' is the value, also line ends
//	NAME="a \"b\"\n"           \n \r \t \" \\ and \$ stand for one character; may have line ends
//	NAME=${OTHER}/x            in plain values and "...", ${OTHER} is a variable above, of a file before, or of tenfold itself
//
// No shell reads them, so $(command) and `command` are problems, and so is $OTHER, which other programs read in different ways.

const (
	maxEnvFile   = 1 << 20
	maxEnvValue  = 128<<10 - 512 // the system passes no larger one to a program
	bracesHint   = "write ${%s} to insert the variable, or '...' around the value for a plain $"
	envValueHint = "'...' around the value keeps it as it is"
)

// envVariable is one variable of a file.
type envVariable struct {
	name, value string
	line        int
}

// dotenv reads one file.
type dotenv struct {
	name   string // of the file, for problems
	text   string // what was not read yet
	line   int
	start  string // the current line, from its begin
	lookup func(string) (string, bool)

	variables []envVariable
	problems  Problems
}

// parseDotenv returns the variables of a file in their order. lookup finds those that ${NAME} may refer to and that are not in
// the file itself.
func parseDotenv(name string, data []byte, lookup func(string) (string, bool)) ([]envVariable, Problems) {
	d := &dotenv{name: name, lookup: lookup, line: 1}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	switch {
	case len(data) > maxEnvFile:
		d.problem("", wrong("", "the file is larger than %s", printSize(maxEnvFile)))
	case !utf8.Valid(data):
		d.problem("", wrong("save it as UTF-8", "the file is not UTF-8 text"))
	case bytes.IndexByte(data, 0) >= 0:
		d.problem("", wrong("", "the file has a NUL character"))
	default:
		d.text = strings.ReplaceAll(string(data), "\r\n", "\n")
		for d.text != "" && len(d.problems) < 100 {
			d.start = d.text
			d.readLine()
		}
	}
	return d.variables, d.problems
}

// problem reports an error at the current place.
func (d *dotenv) problem(variable string, err error) {
	d.problemAt(d.line, 1+utf8.RuneCountInString(d.start[:max(0, len(d.start)-len(d.text))]), variable, err)
}

func (d *dotenv) problemAt(line, column int, variable string, err error) {
	p := strictyaml.ProblemAt(variable, err)
	p.File, p.Line, p.Column = d.name, line, column
	d.problems = append(d.problems, p)
}

// skip continues after the end of the line.
func (d *dotenv) skip() {
	_, d.text, _ = strings.Cut(d.text, "\n")
	d.line++
}

func (d *dotenv) trim() { d.text = strings.TrimLeft(d.text, " \t") }

var envAssignment = regexp.MustCompile(`^(?:export[ \t]+)?([^=\s#]*)([ \t]*)=([ \t]*)`)

// readLine reads an assignment, a comment or an empty line.
func (d *dotenv) readLine() {
	d.trim()
	if d.text == "" || d.text[0] == '\n' || d.text[0] == '#' {
		d.skip()
		return
	}
	line, _, _ := strings.Cut(d.text, "\n")
	m := envAssignment.FindStringSubmatch(line)
	switch {
	case m == nil:
		d.problem("", wrong("NAME=value, or # in front of a comment", "the line has no \"=\""))
	case !envName.MatchString(m[1]):
		d.problem("", wrong("letters, digits and _, as in LOG_LEVEL=debug", "%s is not a name for a variable", quote(m[1])))
	case m[2] != "" || m[3] != "" && len(m[0]) < len(line) && line[len(m[0])] != '#':
		d.problem(m[1], wrong("write "+m[1]+"=VALUE", "has spaces around \"=\""))
	default:
		d.text = d.text[len(m[0])-len(m[3]):]
		d.readValue(m[1])
		return
	}
	d.skip()
}

// readValue reads a value and the rest of its line.
func (d *dotenv) readValue(name string) {
	line := d.line
	var value string
	var err error
	switch {
	case strings.HasPrefix(d.text, "'"):
		value, err = d.single()
	case strings.HasPrefix(d.text, `"`):
		value, err = d.double()
	default:
		value, err = d.plain()
	}
	if err == nil {
		err = d.lineEnd()
	}
	if err == nil && len(value) > maxEnvValue {
		err = wrong("", "is longer than a program can get: %d bytes", len(value))
	}
	if err != nil {
		d.problem(name, err)
		d.skip()
		return
	}
	d.skip()
	for _, v := range d.variables {
		if v.name == name {
			d.problemAt(line, 1, name, wrong("remove one of them", "duplicate variable, first in line %d", v.line))
			return
		}
	}
	if len(d.variables) == maxEntries {
		d.problemAt(line, 1, name, wrong("", "%d variables are enough for a file", maxEntries))
		d.text = ""
		return
	}
	d.variables = append(d.variables, envVariable{name, value, line})
}

// lineEnd checks that only a comment follows a value.
func (d *dotenv) lineEnd() error {
	rest, _, _ := strings.Cut(d.text, "\n")
	trimmed := strings.TrimLeft(rest, " \t")
	if trimmed == "" || trimmed[0] == '#' && len(trimmed) < len(rest) {
		return nil
	}
	return wrong("only a comment may follow the closing quote, after a space", "has text after its closing quote")
}

// toLineEnd passes over a comment.
func (d *dotenv) toLineEnd() {
	if i := strings.IndexByte(d.text, '\n'); i >= 0 {
		d.text = d.text[i:]
	} else {
		d.text = ""
	}
}

// single reads '...'.
func (d *dotenv) single() (string, error) {
	value, rest, closed := strings.Cut(d.text[1:], "'")
	if !closed {
		return "", wrong("", "has an opening ' without a closing one")
	}
	d.advance(rest)
	return value, nil
}

// advance continues at rest, a suffix of the text.
func (d *dotenv) advance(rest string) {
	read := d.text[:len(d.text)-len(rest)]
	d.line += strings.Count(read, "\n")
	if i := strings.LastIndexByte(read, '\n'); i >= 0 {
		d.start = d.text[i+1:]
	}
	d.text = rest
}

var envEscapes = map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', '"': '"', '\\': '\\', '$': '$'}

// double reads "...".
func (d *dotenv) double() (string, error) {
	var b strings.Builder
	text := d.text[1:]
	for text != "" {
		switch c := text[0]; c {
		case '"':
			d.advance(text[1:])
			return b.String(), nil
		case '\\':
			if len(text) < 2 || envEscapes[text[1]] == 0 {
				d.advance(text)
				return "", wrong(`\n \r \t \" \\ or \$; `+envValueHint, `has a backslash that has no meaning here`)
			}
			b.WriteByte(envEscapes[text[1]])
			text = text[2:]
		default:
			value, rest, err := d.character(text)
			if err != nil {
				d.advance(text)
				return "", err
			}
			b.WriteString(value)
			text = rest
		}
	}
	return "", wrong("", `has an opening " without a closing one`)
}

// plain reads a value without quotes, up to the end of the line or a comment.
func (d *dotenv) plain() (string, error) {
	var b strings.Builder
	text := d.text
	for text != "" && text[0] != '\n' {
		switch c := text[0]; {
		case c == '#' && (len(text) == len(d.text) || strings.ContainsRune(" \t", rune(d.text[len(d.text)-len(text)-1]))):
			d.text = text
			d.toLineEnd()
			return strings.TrimRight(b.String(), " \t"), nil
		case c == '\'' || c == '"' || c == '\\':
			d.text = text
			return "", wrong(envValueHint, "has the character %q in a value without quotes", c)
		}
		value, rest, err := d.character(text)
		if err != nil {
			d.text = text
			return "", err
		}
		b.WriteString(value)
		text = rest
	}
	d.text = text
	return strings.TrimRight(b.String(), " \t"), nil
}

var envReference = regexp.MustCompile(`^\$(?:\{([^}\n]*)(\}?)|([A-Za-z_][A-Za-z0-9_]*)|(\())`)

// character returns the value of the first character of text, or of the variable that begins there, and the text after it.
func (d *dotenv) character(text string) (value, rest string, err error) {
	if text[0] == '`' {
		return "", "", wrong(envValueHint, "has a `: commands are not run")
	}
	m := envReference.FindStringSubmatch(text)
	switch {
	case m == nil:
		return text[:1], text[1:], nil
	case m[4] != "":
		return "", "", wrong(envValueHint, "has a \"$(\": commands are not run")
	case m[3] != "":
		return "", "", wrong(fmt.Sprintf(bracesHint, m[3]), "has $%s, which other programs read in different ways", m[3])
	case m[2] == "" || !envName.MatchString(m[1]):
		return "", "", wrong("'...' around the value for a plain \"${\"", "has a \"${\" that is not ${NAME}")
	}
	for _, v := range d.variables {
		if v.name == m[1] {
			return v.value, text[len(m[0]):], nil
		}
	}
	value, ok := d.lookup(m[1])
	if !ok {
		return "", "", wrong("set it above, or before tenfold starts", "the variable %s is not set", m[1])
	}
	return value, text[len(m[0]):], nil
}
