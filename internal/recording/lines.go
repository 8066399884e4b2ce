package recording

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// ErrUnknownFormat says that the lines of a file have none of the known formats.
var ErrUnknownFormat = errors.New("not a recording: want a HAR file, tenfold's access records as JSON, nginx's combined format " +
	"or HAProxy's httplog")

// parserOf returns the parser of a format, or finds the format by the first lines.
func parserOf(r *bufio.Reader, format Format) (func(string) (record, bool), error) {
	for _, p := range parsers {
		if p.format == format {
			return p.parse, nil
		}
	}
	head, _ := r.Peek(32 << 10)
	if len(head) == 0 {
		return nil, errors.New("the file is empty")
	}
	best, most := -1, 0
	for i, p := range parsers {
		n := 0
		for line := range strings.Lines(string(head)) {
			if _, ok := p.parse(strings.TrimRight(line, "\r\n")); ok {
				n++
			}
		}
		if n > most {
			best, most = i, n
		}
	}
	if best < 0 {
		return nil, ErrUnknownFormat
	}
	return parsers[best].parse, nil
}

// readLine reads a line without its end. The rest of a line that is too long is dropped.
func readLine(r *bufio.Reader) (line string, tooLong bool, err error) {
	var b []byte
	for {
		part, more, err := r.ReadLine()
		if err != nil {
			if err == io.EOF && len(b) > 0 {
				return string(b), tooLong, nil
			}
			return "", false, err
		}
		if len(b)+len(part) > maxLine {
			tooLong = true
		} else {
			b = append(b, part...)
		}
		if !more {
			return string(b), tooLong, nil
		}
	}
}
