package usertext

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// JSONError returns an error of encoding/json with its place in the text. If the cause is a character that only looks
// like a space, the error says so. It returns any other error as it is.
func JSONError(text []byte, err error) error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) || syntax.Offset < 1 || syntax.Offset > int64(len(text)) {
		return err
	}
	at := int(syntax.Offset) - 1
	before := text[:at]
	e := &Error{
		Line:    1 + bytes.Count(before, []byte{'\n'}),
		Column:  1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]),
		Message: strings.TrimPrefix(syntax.Error(), "json: "),
	}
	if r, _ := utf8.DecodeRune(text[at:]); IsOddSpace(r) {
		e.Message, e.hint = OddSpace(r)
	}
	return e
}
