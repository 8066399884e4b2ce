package client

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// maxInline is how large a body in memory may be to leave in one write with its head. It fits every socket's buffer, so
// that this write cannot wait for a peer that answers before it reads.
const maxInline = 16 << 10

// plan is what follows from a request for its body and its response.
type plan struct {
	length  int64 // of the body; 0: none, -1: chunked
	inline  bool  // the body is small and in memory, and leaves together with the head
	expect  bool  // wait for 100 (Continue) before sending the body
	upgrade bool  // 101 is a possible answer
	head    bool  // the response has no body
}

// appendRequest writes the head of req, and a body that is small and in memory. It refuses what cannot be written in one
// unmistakable way.
func appendRequest(b []byte, req *http.Request) (_ []byte, p plan, err error) {
	p = plan{
		length:  bodyLength(req),
		head:    req.Method == http.MethodHead,
		upgrade: headerHasToken(req.Header["Connection"], "upgrade") && len(req.Header["Upgrade"]) > 0,
	}
	if p.upgrade && p.length != 0 {
		return nil, p, fmt.Errorf("upgrade %q with a body", req.Header["Upgrade"])
	}
	if b, err = appendRequestLine(b, req); err != nil {
		return nil, p, err
	}
	for name, values := range req.Header {
		if isOurs(name) || wire.EqualFold(name, "upgrade") && !p.upgrade {
			continue
		}
		if wire.EqualFold(name, "expect") {
			if p.length == 0 {
				continue // there is nothing to hold back
			}
			p.expect = headerHasToken(values, "100-continue")
		}
		if b, err = appendField(b, name, values); err != nil {
			return nil, p, err
		}
	}
	b = appendConnection(b, req, p)
	if b, err = appendFraming(b, req, p); err != nil {
		return nil, p, err
	}
	b = append(b, "\r\n"...)
	p.inline = p.length > 0 && p.length <= maxInline && !p.expect && inMemory(req.Body)
	if p.inline {
		b, err = appendBody(b, req.Body, int(p.length))
	}
	return b, p, err
}

// appendBody appends the whole body, which must have n octets.
func appendBody(b []byte, body io.Reader, n int) ([]byte, error) {
	start := len(b)
	b = append(b, make([]byte, n)...)
	if _, err := io.ReadFull(body, b[start:]); err != nil {
		return nil, &BodyError{err}
	}
	var one [1]byte
	if k, err := body.Read(one[:]); k > 0 {
		return nil, &BodyError{errBodyTooLong}
	} else if err != nil && err != io.EOF {
		return nil, &BodyError{err}
	}
	return b, nil
}

func appendRequestLine(b []byte, req *http.Request) ([]byte, error) {
	method := req.Method
	if method == "" {
		method = http.MethodGet
	}
	if !wire.ValidToken(method) || method == http.MethodConnect {
		return nil, fmt.Errorf("invalid method %q", method)
	}
	b = append(b, method...)
	b = append(b, ' ')
	start := len(b)
	if b = appendTarget(b, req, method); b == nil {
		return nil, fmt.Errorf("invalid request target %q", req.URL)
	}
	if !wire.ValidTarget(b[start:]) {
		return nil, fmt.Errorf("invalid request target %q", b[start:])
	}
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	host = withoutZone(host)
	if !wire.ValidHost(host) {
		return nil, fmt.Errorf("invalid host %q", host)
	}
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	return append(b, "\r\n"...), nil
}

// ValidLine reports whether a Conn can send the request as far as its method, target and host go. They are what a Guard
// checks in HTTP/1, and nobody in HTTP/2.
func ValidLine(req *http.Request) bool {
	var buf [1 << 10]byte
	_, err := appendRequestLine(buf[:0], req)
	return err == nil
}

// appendTarget writes the origin form of RFC 9112 section 3.2.1, or "*" for OPTIONS; nil when there is none.
func appendTarget(b []byte, req *http.Request, method string) []byte {
	u := req.URL
	if u == nil || u.Opaque != "" {
		return nil
	}
	path := u.EscapedPath()
	switch {
	case path == "":
		path = "/"
	case path == "*" && method == http.MethodOptions && u.RawQuery == "":
	case path[0] != '/':
		return nil
	}
	b = append(b, path...)
	if u.ForceQuery || u.RawQuery != "" {
		b = append(b, '?')
		b = append(b, u.RawQuery...)
	}
	return b
}

// withoutZone drops the zone of an IPv6 literal, which means something on this machine only (RFC 6874 section 2).
func withoutZone(host string) string {
	if !strings.HasPrefix(host, "[") {
		return host
	}
	end := strings.LastIndexByte(host, ']')
	zone := strings.IndexByte(host, '%')
	if zone < 0 || zone > end {
		return host
	}
	return host[:zone] + host[end:]
}

func appendField(b []byte, name string, values []string) ([]byte, error) {
	if !wire.ValidToken(name) {
		return nil, fmt.Errorf("invalid header name %q", name)
	}
	for _, v := range values {
		v = wire.TrimOWS(v)
		if !wire.ValidValue(v) {
			return nil, fmt.Errorf("invalid value in header %q", name)
		}
		b = append(b, name...)
		b = append(b, ": "...)
		b = append(b, v...)
		b = append(b, "\r\n"...)
	}
	return b, nil
}

// isOurs reports whether a field belongs to this connection, so that its sender's value must not pass.
func isOurs(name string) bool {
	switch len(name) {
	case len("host"):
		return wire.EqualFold(name, "host")
	case len("trailer"):
		return wire.EqualFold(name, "trailer")
	case len("connection"): // and keep-alive
		return wire.EqualFold(name, "connection") || wire.EqualFold(name, "keep-alive")
	case len("content-length"):
		return wire.EqualFold(name, "content-length")
	case len("proxy-connection"):
		return wire.EqualFold(name, "proxy-connection")
	case len("transfer-encoding"):
		return wire.EqualFold(name, "transfer-encoding")
	}
	return false
}

// appendConnection names what the connection's next hop must not forward (RFC 9110 section 7.6.1).
func appendConnection(b []byte, req *http.Request, p plan) []byte {
	sep := "Connection: "
	name := func(option string, when bool) {
		if when {
			b = append(b, sep...)
			b = append(b, option...)
			sep = ", "
		}
	}
	name("Upgrade", p.upgrade)
	name("TE", len(req.Header["Te"]) > 0)
	name("close", req.Close)
	if sep == ", " {
		b = append(b, "\r\n"...)
	}
	return b
}

func appendFraming(b []byte, req *http.Request, p plan) ([]byte, error) {
	switch {
	case p.length > 0:
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, p.length, 10)
		return append(b, "\r\n"...), nil
	case p.length == 0:
		if req.Method == http.MethodPost || req.Method == http.MethodPut || req.Method == http.MethodPatch {
			b = append(b, "Content-Length: 0\r\n"...)
		}
		return b, nil
	}
	b = append(b, "Transfer-Encoding: chunked\r\n"...)
	if len(req.Trailer) == 0 {
		return b, nil
	}
	sep := "Trailer: "
	for name := range req.Trailer {
		if !wire.ValidToken(name) || wire.ForbiddenInTrailer(name) {
			return nil, fmt.Errorf("invalid trailer name %q", name)
		}
		b = append(b, sep...)
		b = append(b, name...)
		sep = ", "
	}
	return append(b, "\r\n"...), nil
}

// bodyLength follows net/http: a body of which the length is 0 and that is not http.NoBody has an unknown one.
func bodyLength(req *http.Request) int64 {
	switch {
	case req.Body == nil || req.Body == http.NoBody:
		return 0
	case req.ContentLength > 0:
		return req.ContentLength
	}
	return -1
}

var nopClosers = [...]reflect.Type{
	reflect.TypeOf(io.NopCloser(nil)),
	reflect.TypeOf(io.NopCloser(struct {
		io.Reader
		io.WriterTo
	}{})),
}

// inMemory reports whether reading the body cannot wait for anybody. It knows what http.NewRequest makes of bytes and
// strings, and any body that says how much of it is left by a method Len() int, as those do.
func inMemory(body io.ReadCloser) bool {
	if _, ok := body.(interface{ Len() int }); ok {
		return true
	}
	t := reflect.TypeOf(body)
	if t != nopClosers[0] && t != nopClosers[1] {
		return false
	}
	switch reflect.ValueOf(body).Field(0).Interface().(type) {
	case *bytes.Reader, *bytes.Buffer, *strings.Reader:
		return true
	}
	return false
}

func headerHasToken(values []string, word string) bool {
	for _, v := range values {
		if wire.HasToken(v, word) {
			return true
		}
	}
	return false
}
