package usertext

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
)

// CSV reads the rows of a CSV file. Its fields are separated by commas, semicolons or tabs. Blanks around a field are
// dropped, also no-break spaces, unless they are inside quotes. Lines without any text are skipped.
type CSV struct {
	reader *csv.Reader
	text   []byte
	lines  []int // offset of each line in text
}

// NewCSV returns a reader of a decoded text. The first line decides which separator the file has: semicolons or tabs
// are the separator if the line has no commas. A line "sep=;" in front of it, which spreadsheets write, is skipped.
func NewCSV(text []byte) *CSV {
	comma := rune(0)
	first, rest, _ := bytes.Cut(text, []byte{'\n'})
	if name, ok := bytes.CutPrefix(bytes.TrimSpace(first), []byte("sep=")); ok && len(name) == 1 {
		comma = rune(name[0])
		text = append([]byte{'\n'}, rest...) // the empty line keeps the line numbers
	}
	if comma == 0 {
		comma = separator(text)
	}
	c := &CSV{reader: csv.NewReader(bytes.NewReader(text)), text: text, lines: []int{0}}
	c.reader.Comma = comma
	c.reader.TrimLeadingSpace = comma != '\t' // with tabs, it would drop the separators of empty fields
	c.reader.FieldsPerRecord = -1
	for i, b := range text {
		if b == '\n' {
			c.lines = append(c.lines, i+1)
		}
	}
	return c
}

// separator returns the separator of a text, by its first line that is not empty.
func separator(text []byte) rune {
	line, _, _ := bytes.Cut(bytes.TrimLeft(text, "\r\n"), []byte{'\n'})
	switch {
	case bytes.IndexByte(line, ',') >= 0:
	case bytes.IndexByte(line, ';') >= 0:
		return ';'
	case bytes.IndexByte(line, '\t') >= 0:
		return '\t'
	}
	return ','
}

// Read returns the next row, and io.EOF after the last one. Any other error is an *Error with the line.
func (c *CSV) Read() ([]string, error) {
	for {
		row, err := c.reader.Read()
		if err != nil {
			return nil, csvError(err)
		}
		for i := range row {
			if !c.isQuoted(i) {
				row[i] = strings.TrimFunc(row[i], isBlank)
			}
		}
		if len(row) > 1 || row[0] != "" || c.isQuoted(0) {
			return row, nil
		}
	}
}

// Line returns the line at which the last row begins.
func (c *CSV) Line() int {
	line, _ := c.reader.FieldPos(0)
	return line
}

// isQuoted reports whether a field of the last row was written in quotes.
func (c *CSV) isQuoted(field int) bool {
	line, column := c.reader.FieldPos(field)
	at := c.lines[line-1] + column - 1
	return at < len(c.text) && c.text[at] == '"'
}

func csvError(err error) error {
	var p *csv.ParseError
	switch {
	case err == io.EOF:
		return err
	case !errors.As(err, &p):
		return err
	case errors.Is(p.Err, csv.ErrBareQuote):
		return &Error{p.Line, 0, `a quote (") inside a field that does not begin with one`,
			`put the field in quotes, and double each quote in it: "5"" pipe"`}
	case errors.Is(p.Err, csv.ErrQuote):
		return &Error{p.Line, 0, `a field in quotes (") does not end, or has text after its closing quote`,
			`double each quote inside a field: "5"" pipe"`}
	}
	return &Error{p.Line, 0, p.Err.Error(), ""}
}
