package idempotency

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
)

// Response is an answer that can be given again.
type Response struct {
	Status int         // 200 to 599
	Header http.Header // may be nil
	Body   []byte
}

// Final reports whether an answer with this status is recorded, and its effect committed. Where it is not, everything is
// rolled back and the key stays free, so that a retry is a new try:
//
//	2xx, 3xx                 recorded
//	4xx                      recorded: the same request would be refused again
//	401, 403                 not: the caller may come back with other credentials
//	408, 409, 423, 425, 429  not: they say try later
//	5xx                      not: the service failed, the request may be fine
func Final(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusConflict,
		http.StatusLocked, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status >= 200 && status < 500
}

// unrecorded are headers that belong to one answer, not to its repetitions: those of the connection, those that the server
// sets itself, our own mark, and cookies, because a table of answers is no place for secrets.
var unrecorded = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"Content-Length", "Date", "Set-Cookie", ReplayedHeader,
}

// RecordedHeader returns a copy of an answer's header with what is recorded of it: all but cookies, Date, Content-Length and
// what belongs to one connection.
func RecordedHeader(h http.Header) http.Header {
	h = h.Clone()
	for _, name := range unrecorded {
		h.Del(name)
	}
	return h
}

// wireHeader returns what is recorded of the header, as it goes over the wire.
func (res Response) wireHeader(limit int) ([]byte, error) {
	h := RecordedHeader(res.Header)
	for name, values := range h {
		for _, v := range values {
			if strings.ContainsFunc(v, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
				return nil, fmt.Errorf("%w: header %s has a control character", ErrResponse, name)
			}
		}
	}
	wire := bytes.NewBuffer([]byte{}) // nil would be NULL
	if err := h.Write(wire); err != nil {
		return nil, err
	}
	if n := wire.Len() + len(res.Body); n > limit {
		return nil, fmt.Errorf("%w: %d bytes are more than %d", ErrResponse, n, limit)
	}
	return wire.Bytes(), nil
}

func parseWireHeader(wire []byte) (http.Header, error) {
	h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(wire, "\r\n"...)))).ReadMIMEHeader()
	return http.Header(h), err
}
