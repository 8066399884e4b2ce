package load

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"

	"golang.org/x/net/http/httpguts"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// Target is one request that is repeated.
type Target struct {
	url    URL
	method string
	header http.Header
	body   []byte
	raw    []byte // the whole request as HTTP/1.1 sends it
}

// NewTarget returns the target with a URL as ParseURL reads it. If method is empty, it is POST with a body and GET
// without.
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

func (t *Target) checkHeader() error {
	for name, values := range t.header {
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			return fmt.Errorf("header %q: not a header name", name)
		case wire.IsConnectionField(name) || wire.EqualFold(name, "content-length"):
			return fmt.Errorf("header %q: follows from the request and cannot be set", name)
		case wire.EqualFold(name, "host") && !wire.ValidHost(values[0]):
			return fmt.Errorf("header Host: %q is not a host with an optional port", values[0])
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

// Request returns the request for net/http.
func (t *Target) Request(ctx context.Context) *http.Request {
	req := (&http.Request{
		Method: t.method, URL: t.url.URL, Host: cmp.Or(t.header.Get("Host"), t.url.Host), Header: t.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if len(t.body) > 0 {
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(t.body)), nil }
		req.Body, _ = req.GetBody()
		req.ContentLength = int64(len(t.body))
	}
	return req
}
