package plan

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// WriteText writes the plan and its explanation for people, in the words of t. The first sentence is the advice. Each
// topic has a section with the answer, its reasons and what would change it.
func (p *Plan) WriteText(w io.Writer, t Terms) error {
	var b bytes.Buffer
	wrap(&b, "", 0, p.Advice().Text(t))
	for _, s := range p.sections(t) {
		fmt.Fprintln(&b)
		fmt.Fprintf(&b, "%-13s %s\n", strings.ToUpper(s.Topic), s.Answer)
		for _, g := range s.Groups {
			for i, text := range g.Texts {
				label := ""
				if i == 0 {
					label = g.Label
				}
				writeWrapped(&b, label, text)
			}
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

const (
	textWidth  = 110
	textIndent = 14 // width of the labels in front of the sentences
)

// writeWrapped writes a label and a text, wrapped so that all texts begin in the same column.
func writeWrapped(b *bytes.Buffer, label, text string) {
	wrap(b, fmt.Sprintf("  %-*s", textIndent, label), textIndent+4, text)
}

// wrap writes a text behind the beginning of its first line. Further lines begin in the column indent.
func wrap(b *bytes.Buffer, line string, indent int, text string) {
	width := utf8.RuneCountInString(line)
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		if i > 0 && width+1+n > textWidth {
			fmt.Fprintf(b, "%s\n", strings.TrimRight(line, " "))
			line = strings.Repeat(" ", indent)
			width = utf8.RuneCountInString(line)
		} else if i > 0 {
			line += " "
			width++
		}
		line += word
		width += n
	}
	fmt.Fprintf(b, "%s\n", strings.TrimRight(line, " "))
}
