package strictyaml

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// indentationProblem explains an error that the parser found in or near a line, if the indentation of that line or of the
// next one fits nothing around it. It returns false if it knows no better explanation.
func indentationProblem(text string, line int) (p Problem, ok bool) {
	all := outline(text)
	i := slices.IndexFunc(all, func(l outlineLine) bool { return l.number >= line })
	if i < 0 || all[i].number != line {
		return p, false
	}
	if i+1 < len(all) && all[i].hasValue && all[i+1].indent > all[i].indent && all[i+1].key != "" {
		i++ // the parser has read the next line as more of the value
		before := all[i-1]
		return problemAt(all[i], fmt.Sprintf("is indented by %s, more than line %d, which has a value already", spaces(all[i].indent),
			before.number), "indent it by "+level{before.content, before.number, before.key}.String()), true
	}
	levels := levelsAbove(all[:i])
	fits := slices.ContainsFunc(levels, func(l level) bool { return l.column == all[i].indent })
	if len(levels) == 0 || fits {
		return p, false
	}
	var names []string
	for _, l := range levels {
		names = append(names, l.String())
		if len(names) == 3 {
			break
		}
	}
	return problemAt(all[i], fmt.Sprintf("is indented by %s, which fits no line above", spaces(all[i].indent)),
		"indent it by "+strings.Join(names, ", or by ")), true
}

func problemAt(l outlineLine, message, hint string) Problem {
	name := "this line"
	if l.key != "" {
		name = l.key
	}
	return Problem{Line: l.number, Column: l.indent + 1, Message: name + " " + message, Hint: hint}
}

// outlineLine is a line with content.
type outlineLine struct {
	number   int
	indent   int    // spaces in front of the line
	content  int    // column of the content behind the dashes of a list, from 0
	key      string // "" if the line has none
	hasValue bool   // the line has a value that could go on in the next line
}

// outline returns the lines of a text without empty ones and comments.
func outline(text string) (all []outlineLine) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, " \r\n")
		rest := strings.TrimLeft(line, " ")
		if rest == "" || rest[0] == '#' {
			continue
		}
		l := outlineLine{number: number, indent: len(line) - len(rest)}
		for strings.HasPrefix(rest, "- ") {
			rest = strings.TrimLeft(rest[2:], " ")
		}
		l.content = len(line) - len(rest)
		if m := keyOfLine.FindStringSubmatch(rest); m != nil {
			l.key = m[1]
			value := strings.TrimSpace(m[2])
			l.hasValue = value != "" && value[0] != '#' && value[0] != '|' && value[0] != '>'
		}
		all = append(all, l)
	}
	return all
}

// keyOfLine matches a key with its value. A key of another form may be a text, so it is not shown.
var keyOfLine = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.-]{0,62}):(| .*)$`)

// level is a column in which a line may begin.
type level struct {
	column, line int
	key          string
}

// String says how a line gets into the column.
func (l level) String() string {
	return fmt.Sprintf("%s, like %s in line %d", spaces(l.column), l.key, l.line)
}

func spaces(n int) string {
	if n == 1 {
		return "1 space"
	}
	return fmt.Sprintf("%d spaces", n)
}

// levelsAbove returns the columns of the mappings that are open behind the lines, the innermost first.
func levelsAbove(lines []outlineLine) (levels []level) {
	least := -1
	for _, l := range slices.Backward(lines) {
		if l.key == "" || least >= 0 && l.content >= least {
			continue
		}
		levels = append(levels, level{l.content, l.number, l.key})
		least = min(l.content, l.indent)
		if l.content > l.indent { // behind a dash: the list itself is a level only for another dash
			least = l.indent
		}
	}
	return levels
}
