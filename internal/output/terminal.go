package output

import (
	"bytes"
	"regexp"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// color is a sequence that sets colours and styles (ECMA-48, SGR).
var color = regexp.MustCompile(`^\x1b\[[0-9;:]{0,40}m`)

// ForTerminal returns a text from outside as a terminal may show it: with its line ends, tabs and colours, and with every other
// control character as an escape. Others could move the cursor, overwrite other lines, or change what the keyboard sends.
func ForTerminal(text []byte) []byte {
	if utf8.Valid(text) && !bytes.ContainsFunc(text, isControl) {
		return text
	}
	var b []byte
	for len(text) > 0 {
		if sequence := color.Find(text); sequence != nil {
			b, text = append(b, sequence...), text[len(sequence):]
			continue
		}
		r, size := utf8.DecodeRune(text)
		if isControl(r) || r == utf8.RuneError && size == 1 {
			quoted := strconv.Quote(string(text[:size]))
			b = append(b, quoted[1:len(quoted)-1]...)
		} else {
			b = append(b, text[:size]...)
		}
		text = text[size:]
	}
	return b
}

func isControl(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
