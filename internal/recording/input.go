package recording

import (
	"bufio"
	"bytes"
	"io"
	"regexp"
)

// skipMark returns r without a byte order mark.
func skipMark(r io.Reader) *bufio.Reader {
	b, ok := r.(*bufio.Reader)
	if !ok {
		b = bufio.NewReaderSize(r, 64<<10)
	}
	if mark, _ := b.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		b.Discard(3)
	}
	return b
}

var harBegin = regexp.MustCompile(`^\s*\{\s*"(log|[a-zA-Z_]+)"\s*:\s*\{`)

// DetectFormat returns the format, or [HAR] for [Detect] if the text begins like a HAR file, and a reader of the same text.
func DetectFormat(r io.Reader, format Format) (io.Reader, Format) {
	b := skipMark(r)
	if format == Detect {
		if head, _ := b.Peek(4 << 10); harBegin.Match(head) {
			format = HAR
		}
	}
	return b, format
}
