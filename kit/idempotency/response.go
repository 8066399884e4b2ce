package idempotency

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
)

// Response is the response to a request. Its status decides whether it is recorded and its effect is committed.
// Otherwise everything is rolled back and the key is free, so that a retry runs the effect again:
//
//	2xx, 3xx                 recorded
//	4xx                      recorded: the same request would be refused again
//	401, 403                 not recorded: the caller may come back with other credentials
//	408, 409, 423, 425, 429  not recorded: they mean "try later"
//	5xx                      not recorded: the service failed, and the request may be valid
type Response struct {
	Status int         // 200 to 599
	Header http.Header // may be nil
	Body   []byte
}

// isRecorded reports whether a response with this status is recorded.
func isRecorded(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusConflict,
		http.StatusLocked, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status >= 200 && status < 500
}

// unrecordedFields are header fields that belong to one response and not to its repetitions: fields of the connection,
// fields that the server sets, our own mark, and cookies, because the table must not contain secrets.
var unrecordedFields = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"Content-Length", "Date", "Set-Cookie", ReplayedHeader,
}

// wireHeader returns the recorded part of the header in the format of HTTP/1.1. It fails with ErrUnrecordable if a
// value contains a control character, or if header and body together are larger than limit.
func (res Response) wireHeader(limit int) ([]byte, error) {
	h := res.Header.Clone()
	for _, name := range unrecordedFields {
		h.Del(name)
	}
	for name, values := range h {
		for _, v := range values {
			if strings.ContainsFunc(v, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
				return nil, fmt.Errorf("%w: header field %s contains a control character", ErrUnrecordable, name)
			}
		}
	}
	wire := bytes.NewBuffer([]byte{}) // nil would be NULL
	if err := h.Write(wire); err != nil {
		return nil, err
	}
	if n := wire.Len() + len(res.Body); n > limit {
		return nil, fmt.Errorf("%w: %d bytes are more than %d", ErrUnrecordable, n, limit)
	}
	return wire.Bytes(), nil
}

func parseWireHeader(wire []byte) (http.Header, error) {
	h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(wire, "\r\n"...)))).ReadMIMEHeader()
	return http.Header(h), err
}
