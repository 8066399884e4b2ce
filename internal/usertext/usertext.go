// Package usertext reads text as people have it: files from editors and spreadsheets, and numbers in the notation of
// their country. Every reader of files and flags uses it, so that all of them treat such text in the same way.
//
//   - [Decode] and [ReadFile] remove a byte order mark and refuse UTF-16, invalid UTF-8 and NUL characters.
//   - [NewCSV] reads CSV with commas, semicolons or tabs, and drops the blanks around names and values.
//   - [JSONError] adds the place and the reason to an error of encoding/json.
//   - [CheckNumber] refuses a number such as 1.000, which may mean one or a thousand.
//   - [EscapeURL] percent-encodes what a URL cannot contain.
package usertext

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// Error says why a text is refused, and what would be right.
type Error struct {
	Line, Column int // from 1, the column in characters; 0 without a place
	Message      string
	hint         string
}

// Error returns the message with its place.
func (e *Error) Error() string {
	switch {
	case e.Line == 0:
		return e.Message
	case e.Column == 0:
		return fmt.Sprintf("line %d: %s", e.Line, e.Message)
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// Hint says what would be right. It may be empty.
func (e *Error) Hint() string { return e.hint }

// HintOf returns the hint of the first error in the chain that has one, or "".
func HintOf(err error) string {
	if h := (interface{ Hint() string })(nil); errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

const saveAsUTF8 = "save it as UTF-8"

// Decode returns the text of a file without its byte order mark. Carriage returns that end lines alone become line
// feeds. Decode fails with an *Error if the text is UTF-16 or UTF-32, is not valid UTF-8, or contains a NUL character.
func Decode(data []byte) ([]byte, error) {
	if name := otherEncoding(data); name != "" {
		return nil, &Error{1, 1, "the file is " + name, saveAsUTF8}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if bytes.IndexByte(data, 0) >= 0 || !utf8.Valid(data) {
		return nil, invalid(data)
	}
	if bytes.IndexByte(data, '\n') < 0 && bytes.IndexByte(data, '\r') >= 0 {
		data = bytes.ReplaceAll(data, []byte{'\r'}, []byte{'\n'})
	}
	return data, nil
}

// otherEncoding returns the name of an encoding other than UTF-8. It recognizes byte order marks, and UTF-16 without
// one by the NULs in its first two characters.
func otherEncoding(data []byte) string {
	has := func(mark string) bool { return bytes.HasPrefix(data, []byte(mark)) }
	switch {
	case has("\xff\xfe\x00\x00"), has("\x00\x00\xfe\xff"):
		return "UTF-32"
	case has("\xff\xfe"), has("\xfe\xff"), hasUTF16NULs(data):
		return "UTF-16"
	}
	return ""
}

// hasUTF16NULs reports whether every second one of the first four bytes is NUL.
func hasUTF16NULs(data []byte) bool {
	return len(data) >= 4 && (data[0] == 0) != (data[1] == 0) && (data[0] == 0) == (data[2] == 0) &&
		(data[1] == 0) == (data[3] == 0)
}

// invalid returns the error for the first NUL or invalid byte in data.
func invalid(data []byte) error {
	line, column := 1, 1
	for ; len(data) > 0; column++ {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1:
			return &Error{line, column, "the file is not valid UTF-8 here", saveAsUTF8}
		case r == 0:
			return &Error{line, column, "there is a control character (NUL) here", "is this the right file?"}
		case r == '\n':
			line, column = line+1, 0
		}
		data = data[size:]
	}
	return nil
}

// ReadFile reads a text file and decodes it. It fails if the file has more than limit bytes.
func ReadFile(name string, limit int64) ([]byte, error) {
	f, err := Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Read(f, limit)
}

// Read reads a text to its end and decodes it. It fails if the text has more than limit bytes.
func Read(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &Error{Message: fmt.Sprintf("larger than %d MiB", limit>>20), hint: "is this the right file?"}
	}
	return Decode(data)
}

// IsOddSpace reports whether r looks like a space, or like nothing, but is not a space to a parser: for example a
// no-break space or a zero-width space.
func IsOddSpace(r rune) bool {
	return r != ' ' && unicode.Is(unicode.Zs, r) || r == '\u200b' || r == '\u2060' || r == '\ufeff'
}

// OddSpace returns the message and the hint for such a character.
func OddSpace(r rune) (message, hint string) {
	name := "a space"
	switch r {
	case '\u00a0', '\u202f':
		name = "a no-break space"
	case '\u200b', '\u2060', '\ufeff':
		name = "an invisible character"
	}
	return fmt.Sprintf("there is %s (%U) here", name, r), "replace it by a plain space"
}

// isBlank reports whether r is a plain blank or one that only looks like it.
func isBlank(r rune) bool { return r == ' ' || r == '\t' || IsOddSpace(r) }
