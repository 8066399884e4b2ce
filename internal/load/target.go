package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// Target is one request that is repeated.
type Target struct {
	url    *url.URL
	method string
	header http.Header
	body   []byte
	raw    []byte // the whole request as HTTP/1.1 sends it
}

// NewTarget returns the target with an http or https URL. If method is empty, it is POST with a body and GET without.
// It fails if the URL, the method or a header is not valid.
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
		return nil, fmt.Errorf("method %q: want for example GET or POST", method)
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
	t.raw = t.encode()
	return t, nil
}

// ParseURL reads the URL of a target. It fails if the URL is not http or https, has no host, or has a password.
func ParseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("target %q: not a URL", raw)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("target %q: want a URL that begins with http:// or https://", raw)
	case u.Hostname() == "":
		return nil, fmt.Errorf("target %q: no host", raw)
	case u.User != nil:
		return nil, fmt.Errorf("target %q: a password in the URL would appear in the report: use an Authorization header",
			u.Redacted())
	}
	return u, nil
}

func (t *Target) checkHeader() error {
	for name, values := range t.header {
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			return fmt.Errorf("header %q: not a header name", name)
		case wire.IsConnectionField(name) || wire.EqualFold(name, "content-length"):
			return fmt.Errorf("header %q: follows from the request and cannot be set", name)
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return fmt.Errorf("header %q: the value has characters that a header cannot contain", name)
			}
		}
	}
	return nil
}

// encode returns the request as HTTP/1.1 sends it.
func (t *Target) encode() []byte {
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

// request returns the request for net/http.
func (t *Target) request(ctx context.Context) *http.Request {
	req := (&http.Request{
		Method: t.method, URL: t.url, Host: t.header.Get("Host"), Header: t.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if len(t.body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(t.body))
		req.ContentLength = int64(len(t.body))
	}
	return req
}

// address returns the host and port of u.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
