// Package response has the stored form of an HTTP response: status, header and body as bytes for the shared store.
package response

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
)

// Response is an HTTP response in memory.
type Response struct {
	Status int // 200 to 599
	Header http.Header
	Body   []byte // read-only
}

// ErrMalformed is the error of Decode for bytes that Encode does not make.
var ErrMalformed = errors.New("stored response is malformed")

// Append appends the stored form to b: two bytes for the status, the number of header lines, name and value of each line, and the
// body. Numbers are varints, texts follow their length, and the body takes the rest.
func (r Response) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(r.Status))
	lines := 0
	for _, values := range r.Header {
		lines += len(values)
	}
	b = binary.AppendUvarint(b, uint64(lines))
	for name, values := range r.Header {
		for _, v := range values {
			b = appendText(appendText(b, name), v)
		}
	}
	return append(b, r.Body...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// Size returns about how many bytes the stored form takes.
func (r Response) Size() int { return 16 + HeaderSize(r.Header) + len(r.Body) }

// HeaderSize returns about how many bytes a header takes in the stored form.
func HeaderSize(h http.Header) (n int) {
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v) + 4
		}
	}
	return n
}

// Decode reads the stored form. The body of the response is part of b. The error is ErrMalformed.
func Decode(b []byte) (Response, error) {
	status, b, err := CutStatus(b)
	if err != nil {
		return Response{}, err
	}
	r := Response{Status: status, Header: http.Header{}}
	lines, rest, ok := cutNumber(b)
	if !ok {
		return Response{}, fmt.Errorf("%w: no header", ErrMalformed)
	}
	for range lines {
		var name, value string
		if name, rest, ok = cutText(rest); !ok || name == "" {
			return Response{}, fmt.Errorf("%w: header name", ErrMalformed)
		}
		if value, rest, ok = cutText(rest); !ok {
			return Response{}, fmt.Errorf("%w: value of header %q", ErrMalformed, name)
		}
		r.Header[name] = append(r.Header[name], value)
	}
	r.Body = rest
	return r, nil
}

// CutStatus reads the status at the start of b, and returns the rest.
func CutStatus(b []byte) (status int, rest []byte, err error) {
	if len(b) < 2 {
		return 0, nil, fmt.Errorf("%w: no status", ErrMalformed)
	}
	status = int(binary.BigEndian.Uint16(b))
	if status < 200 || status > 599 {
		return 0, nil, fmt.Errorf("%w: status %d", ErrMalformed, status)
	}
	return status, b[2:], nil
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
