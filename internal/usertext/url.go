package usertext

import "strings"

// EscapeURL percent-encodes the bytes of a path or a query that RFC 3986 does not allow there: blanks, control
// characters, quotes, brackets such as { and |, everything outside of ASCII, and a "%" that begins no escape. It
// also encodes the bytes of also. It keeps existing escapes and separators.
func EscapeURL(text, also string) string {
	needed := func(i int) bool {
		c := text[i]
		switch {
		case c == '%':
			return i+2 >= len(text) || !isHex(text[i+1]) || !isHex(text[i+2])
		case c <= ' ' || c >= 0x7f:
			return true
		}
		return strings.IndexByte("\"<>\\^`{|}", c) >= 0 || strings.IndexByte(also, c) >= 0
	}
	var b strings.Builder
	for i := range len(text) {
		if !needed(i) {
			b.WriteByte(text[i])
			continue
		}
		const digits = "0123456789ABCDEF"
		b.WriteByte('%')
		b.WriteByte(digits[text[i]>>4])
		b.WriteByte(digits[text[i]&15])
	}
	return b.String()
}

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }
