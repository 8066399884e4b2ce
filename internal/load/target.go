package load

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Target is one request that is made again and again.
type Target struct {
	url    *url.URL
	method string
	header http.Header
	body   []byte
	raw    []byte // the whole request on the wire
}

// NewTarget makes a target of an http or https URL. The method is GET, or POST when there is a body, unless it is given.
func NewTarget(rawURL, method string, header http.Header, body []byte) (*Target, error) {
	u, err := ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	if method == "" {
		method = http.MethodGet
		if len(body) > 0 {
			method = http.MethodPost
		}
	}
	if !httpguts.ValidHeaderFieldName(method) || method == http.MethodConnect {
		return nil, fmt.Errorf("method %q: want one as GET or POST", method)
	}
	t := &Target{url: u, method: method, header: header.Clone(), body: body}
	if t.header == nil {
		t.header = http.Header{}
	}
	if t.header.Get("User-Agent") == "" {
		t.header.Set("User-Agent", "tenfold")
	}
	if err := t.checkHeader(); err != nil {
		return nil, err
	}
	t.raw = t.write()
	return t, nil
}

// ParseURL reads the URL of a target: http or https, with a host.
func ParseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("target %q: it is not a URL", raw)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("target %q: want a URL that begins with http:// or https://", raw)
	case u.Hostname() == "":
		return nil, fmt.Errorf("target %q: it names no host", raw)
	case u.User != nil:
		return nil, fmt.Errorf("target %q: a password in the URL would end up in the report: want a header Authorization", u.Redacted())
	}
	return u, nil
}

// owned are the fields that follow from the request itself.
var owned = []string{"Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Trailer", "Te", "Keep-Alive", "Proxy-Connection"}

func (t *Target) checkHeader() error {
	for name, values := range t.header {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("header %q: it is not a name", name)
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return fmt.Errorf("header %q: its value has characters that a header cannot carry", name)
			}
		}
	}
	for _, name := range owned {
		if t.header.Get(name) != "" {
			return fmt.Errorf("header %q: it follows from the request and cannot be set", name)
		}
	}
	return nil
}

// write puts the request into the form that HTTP/1.1 sends.
func (t *Target) write() []byte {
	var b bytes.Buffer
	host := t.url.Host
	if h := t.header.Get("Host"); h != "" {
		host = h
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", t.method, t.url.RequestURI(), host)
	t.header.WriteSubset(&b, map[string]bool{"Host": true})
	if len(t.body) > 0 || t.method == http.MethodPost || t.method == http.MethodPut || t.method == http.MethodPatch {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(t.body))
	}
	b.WriteString("\r\n")
	b.Write(t.body)
	return b.Bytes()
}

// request makes a request for net/http.
func (t *Target) request(ctx context.Context) *http.Request {
	req := (&http.Request{
		Method: t.method, URL: t.url, Host: t.header.Get("Host"), Header: t.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if len(t.body) > 0 {
		req.Body = &body{Reader: bytes.NewReader(t.body)}
		req.ContentLength = int64(len(t.body))
	}
	return req
}

// body is a request body in memory.
type body struct{ *bytes.Reader }

func (body) Close() error { return nil }

// address is where u listens, with its port.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
