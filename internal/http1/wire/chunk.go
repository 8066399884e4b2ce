package wire

import "bytes"

const (
	maxChunkLine       = 1 << 10 // octets of one chunk-size line, without CRLF
	maxChunkExtensions = 8 << 10 // octets of all extensions in one message; they are dropped, so more has no use
)

// TrailerLimits bound a trailer section. They equal the limits of net/http's server.
var TrailerLimits = Limits{Bytes: 4 << 10, Lines: 64, StartLine: NoStartLine}

// Violations of chunked framing.
var (
	BadChunkEnd         = &Violation{400, "chunk does not end in CRLF"}
	badChunkSize        = &Violation{400, "invalid chunk size"}
	longChunkLine       = &Violation{400, "chunk-size line too long"}
	badChunkExtension   = &Violation{400, "invalid chunk extension"}
	longChunkExtensions = &Violation{400, "too many chunk extensions"}
)

// ReadChunkLine reads the chunk-size line at the front of b. extensions is how many octets of extensions the body has
// had before. It returns the length n of the line with its CRLF and the length of the line's extension in octets; n is
// 0 while the line is not complete.
func ReadChunkLine(b []byte, extensions int) (n int, size int64, extension int, v *Violation) {
	end := bytes.IndexByte(b[:min(len(b), maxChunkLine+2)], '\n')
	switch {
	case end < 0 && len(b) < maxChunkLine+2:
		return 0, 0, 0, nil
	case end < 0:
		return 0, 0, 0, longChunkLine
	case end == 0 || b[end-1] != '\r':
		return 0, 0, 0, BadLineEnd
	}
	size, extension, v = parseChunkLine(b[:end-1])
	if v == nil && extensions+extension > maxChunkExtensions {
		v = longChunkExtensions
	}
	if v != nil {
		return 0, 0, 0, v
	}
	return end + 1, size, extension, nil
}

// parseChunkLine reads a chunk-size line without its CRLF: hexadecimal digits, then nothing or an extension. It returns
// the length of the extension, which is otherwise ignored. A sign, a prefix and whitespace are invalid (RFC 9112
// section 7.1).
func parseChunkLine(line []byte) (size int64, extension int, v *Violation) {
	digits := 0
	for digits < len(line) && IsHex(line[digits]) {
		if digits == 16 || size>>59 != 0 {
			return 0, 0, badChunkSize
		}
		d := line[digits] | 0x20
		if d >= 'a' {
			d -= 'a' - 10
		} else {
			d -= '0'
		}
		size = size<<4 | int64(d)
		digits++
	}
	if digits == 0 || digits < len(line) && line[digits] != ';' {
		return 0, 0, badChunkSize
	}
	if !all(line[digits:], valueOctet) {
		return 0, 0, badChunkExtension
	}
	return size, len(line) - digits, nil
}

const hexDigits = "0123456789abcdef"

// AppendChunkSize writes a chunk-size line with its CRLF.
func AppendChunkSize(b []byte, n int) []byte {
	shift := 0
	for n>>(shift+4) != 0 {
		shift += 4
	}
	for ; shift >= 0; shift -= 4 {
		b = append(b, hexDigits[n>>shift&15])
	}
	return append(b, '\r', '\n')
}
