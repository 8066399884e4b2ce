package http1

import "bytes"

const (
	maxChunkLine = 1 << 10 // of one chunk-size line, without CRLF
	maxChunkExt  = 8 << 10 // of all extensions in one message: they are dropped, so nobody needs more
)

// trailerLimits bound a trailer section; net/http's server takes no more either.
var trailerLimits = limits{bytes: 4 << 10, lines: 64, start: noStart}

var (
	faultChunkSize = &fault{400, "invalid chunk size"}
	faultChunkLine = &fault{400, "chunk-size line too long"}
	faultChunkExt  = &fault{400, "invalid chunk extension"}
	faultChunkExts = &fault{400, "too many chunk extensions"}
	faultChunkEnd  = &fault{400, "chunk does not end in CRLF"}
)

// chunkLine reads the chunk-size line at the front of b, in a body that had exts octets of extensions so far. It returns
// the length of the line with its CRLF, or 0 when it is not complete, and how much of it is extension.
func chunkLine(b []byte, exts int) (n int, size int64, ext int, f *fault) {
	end := bytes.IndexByte(b[:min(len(b), maxChunkLine+2)], '\n')
	switch {
	case end < 0 && len(b) < maxChunkLine+2:
		return 0, 0, 0, nil
	case end < 0:
		return 0, 0, 0, faultChunkLine
	case end == 0 || b[end-1] != '\r':
		return 0, 0, 0, faultBareLF
	}
	size, ext, f = parseChunkLine(b[:end-1])
	if f == nil && exts+ext > maxChunkExt {
		f = faultChunkExts
	}
	if f != nil {
		return 0, 0, 0, f
	}
	return end + 1, size, ext, nil
}

// parseChunkLine reads a chunk-size line without its CRLF: hexadecimal digits, then nothing or an extension, which
// counts and is otherwise ignored. No sign, no prefix, no whitespace (RFC 9112 section 7.1).
func parseChunkLine(line []byte) (size int64, ext int, f *fault) {
	digits := 0
	for digits < len(line) && octets[line[digits]]&isHex != 0 {
		if digits == 16 || size>>59 != 0 {
			return 0, 0, faultChunkSize
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
		return 0, 0, faultChunkSize
	}
	if !all(line[digits:], isValue) {
		return 0, 0, faultChunkExt
	}
	return size, len(line) - digits, nil
}

const hexDigits = "0123456789abcdef"

// appendChunkSize writes a chunk-size line with its CRLF.
func appendChunkSize(b []byte, n int) []byte {
	shift := 0
	for n>>(shift+4) != 0 {
		shift += 4
	}
	for ; shift >= 0; shift -= 4 {
		b = append(b, hexDigits[n>>shift&15])
	}
	return append(b, '\r', '\n')
}
