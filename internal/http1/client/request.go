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

// maxInline is the largest body in memory that is sent in one write with its head. It fits into the buffer of every
// socket. So this write cannot wait for a peer that answers before it reads.
const maxInline = 16 << 10

// requestInfo is what a request determines about its body and its response.
type requestInfo struct {
	length  int64 // of the body; 0: no body, -1: chunked
	inline  bool  // the body is sent in one write with the head
	expect  bool  // wait for 100 (Continue) before sending the body
	upgrade bool  // 101 is a possible answer
	head    bool  // the response has no body
}

// appendRequest writes the head of req, and a small body in memory. It fails if the request has no unambiguous form.
func appendRequest(b []byte, req *http.Request) (_ []byte, info requestInfo, err error) {
	info = requestInfo{
		length:  bodyLength(req),
		head:    req.Method == http.MethodHead,
		upgrade: hasToken(req.Header["Connection"], "upgrade") && len(req.Header["Upgrade"]) > 0,
	}
	if info.upgrade && info.length != 0 {
		return nil, info, fmt.Errorf("upgrade %q with a body", req.Header["Upgrade"])
	}
	if b, err = appendRequestLine(b, req); err != nil {
		return nil, info, err
	}
	for name, values := range req.Header {
		if !info.sends(name) {
			continue
		}
		if wire.EqualFold(name, "expect") {
			if info.length == 0 {
				continue // no body waits for the answer
			}
			info.expect = hasToken(values, "100-continue")
		}
		if b, err = appendField(b, name, values); err != nil {
			return nil, info, err
		}
	}
	b = appendConnection(b, req, info)
	if b, err = appendFraming(b, req, info); err != nil {
		return nil, info, err
	}
	b = append(b, "\r\n"...)
	info.inline = info.length > 0 && info.length <= maxInline && !info.expect && inMemory(req.Body)
	if info.inline {
		b, err = appendBody(b, req.Body, int(info.length))
	}
	return b, info, err
}

// sends reports whether the client sends a field of the request's header. It writes the fields of the connection, Host
// and Content-Length itself. TE passes, and so does Upgrade if the request asks for one.
func (info requestInfo) sends(name string) bool {
	switch len(name) {
	case len("te"):
		return true
	case len("host"):
		return !wire.EqualFold(name, "host")
	case len("content-length"):
		return !wire.EqualFold(name, "content-length")
	}
	if info.upgrade && wire.EqualFold(name, "upgrade") {
		return true
	}
	return !wire.IsConnectionField(name)
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

// ValidLine reports whether a Conn can send the method, target and host of the request. A guard checks them for HTTP/1.
// For HTTP/2, the caller has to check them with ValidLine.
func ValidLine(req *http.Request) bool {
	var buf [1 << 10]byte
	_, err := appendRequestLine(buf[:0], req)
	return err == nil
}

// appendTarget writes the origin form of RFC 9112 section 3.2.1, or "*" for OPTIONS. It returns nil if the URL has
// neither form.
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
	b = append(b, wire.EscapePath(path)...)
	if u.ForceQuery || u.RawQuery != "" {
		b = append(b, '?')
		if !wire.ValidTarget(u.RawQuery) {
			return nil
		}
		b = append(b, wire.EscapeQuery(u.RawQuery)...)
	}
	return b
}

// withoutZone removes the zone of an IPv6 literal, which has a meaning only on this machine (RFC 6874 section 2).
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

// appendConnection writes the Connection field: the fields that the next hop must not forward (RFC 9110 section 7.6.1),
// and close.
func appendConnection(b []byte, req *http.Request, info requestInfo) []byte {
	sep := "Connection: "
	add := func(option string, when bool) {
		if when {
			b = append(b, sep...)
			b = append(b, option...)
			sep = ", "
		}
	}
	add("Upgrade", info.upgrade)
	add("TE", len(req.Header["Te"]) > 0)
	add("close", req.Close)
	if sep == ", " {
		b = append(b, "\r\n"...)
	}
	return b
}

func appendFraming(b []byte, req *http.Request, info requestInfo) ([]byte, error) {
	switch {
	case info.length > 0:
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, info.length, 10)
		return append(b, "\r\n"...), nil
	case info.length == 0:
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

// appendBody writes the whole body, which must have exactly n octets.
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

// bodyLength returns the length of the body, or -1 if it is unknown. As in net/http, a length of 0 means unknown for
// every body except http.NoBody.
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

// inMemory reports whether reading the body cannot block. It knows the bodies that http.NewRequest makes of bytes and
// strings, and every body with a method Len() int that returns the unread length, as those have.
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

// hasToken reports whether one of the lists has the lower-case word as an element.
func hasToken(lists []string, word string) bool {
	for _, list := range lists {
		if wire.HasToken(list, word) {
			return true
		}
	}
	return false
}
