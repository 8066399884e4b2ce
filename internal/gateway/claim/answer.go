package claim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
)

// Answer is what a request was answered.
type Answer struct {
	Status int // 200 to 599; 0 in one that cannot be read
	Header http.Header
	Body   []byte // not to be written to
	Kept   bool   // false: the request has had its effect, and header and body were not kept
}

// The stored form: a byte for what it is, two for the status, and in one that was kept the number of header lines, each
// line's name and value, and the body. Numbers are varints, texts stand behind their length, the body takes the rest.
const (
	formKept   = 1
	formUnkept = 2
)

func (a Answer) encode() []byte {
	if !a.Kept {
		return binary.BigEndian.AppendUint16([]byte{formUnkept}, uint16(a.Status))
	}
	b := make([]byte, 0, 16+HeaderSize(a.Header)+len(a.Body))
	b = binary.BigEndian.AppendUint16(append(b, formKept), uint16(a.Status))
	lines := 0
	for _, values := range a.Header {
		lines += len(values)
	}
	b = binary.AppendUvarint(b, uint64(lines))
	for name, values := range a.Header {
		for _, v := range values {
			b = appendText(appendText(b, name), v)
		}
	}
	return append(b, a.Body...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// HeaderSize is about what a header takes in the store, in bytes.
func HeaderSize(h http.Header) (n int) {
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v) + 4
		}
	}
	return n
}

var errAnswer = errors.New("stored answer is malformed")

// decode reads the stored form. The body is part of b.
func decode(b []byte) (Answer, error) {
	if len(b) < 3 {
		return Answer{}, fmt.Errorf("%w: %d bytes", errAnswer, len(b))
	}
	a := Answer{Status: int(binary.BigEndian.Uint16(b[1:])), Kept: b[0] == formKept}
	switch form := b[0]; {
	case form != formKept && form != formUnkept:
		return Answer{}, fmt.Errorf("%w: form %d", errAnswer, form)
	case a.Status < 200 || a.Status > 599:
		return Answer{}, fmt.Errorf("%w: status %d", errAnswer, a.Status)
	case form == formUnkept && len(b) > 3:
		return Answer{}, fmt.Errorf("%w: something follows it", errAnswer)
	case form == formUnkept:
		return a, nil
	}
	lines, rest, ok := cutNumber(b[3:])
	if !ok {
		return Answer{}, fmt.Errorf("%w: no header", errAnswer)
	}
	a.Header = http.Header{}
	for range lines {
		var name, value string
		if name, rest, ok = cutText(rest); !ok || name == "" {
			return Answer{}, fmt.Errorf("%w: header name", errAnswer)
		}
		if value, rest, ok = cutText(rest); !ok {
			return Answer{}, fmt.Errorf("%w: value of header %q", errAnswer, name)
		}
		a.Header[name] = append(a.Header[name], value)
	}
	a.Body = rest
	return a, nil
}

func cutNumber(b []byte) (n uint64, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, nil, false
	}
	return n, b[size:], true
}

func cutText(b []byte) (s string, rest []byte, ok bool) {
	n, rest, ok := cutNumber(b)
	if !ok || n > uint64(len(rest)) {
		return "", nil, false
	}
	return string(rest[:n]), rest[n:], true
}
