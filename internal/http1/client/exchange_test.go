package client

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestExchangeReusesItsHead(t *testing.T) {
	c, url := dial(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chunked" {
			w.(http.Flusher).Flush()
		}
		io.WriteString(w, r.URL.Path)
	})
	host := strings.TrimPrefix(url, "http://")
	var head Head
	var sink bytes.Buffer
	for _, path := range []string{"/a", "/chunked", "/b"} {
		sink.Reset()
		raw := []byte("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
		if err := c.Exchange(raw, &head, &sink); err != nil {
			t.Fatal(err)
		}
		if head.Status != 200 || !head.KeepAlive || sink.String() != path || head.BodyBytes != int64(len(path)) {
			t.Errorf("%s: %+v %q", path, head, &sink)
		}
		fields := map[string]string{}
		for name, value := range head.All {
			fields[string(name)] = string(value)
		}
		if got := string(head.Get("content-type")); path != "/chunked" && (got != "text/plain; charset=utf-8" || got != fields["Content-Type"]) {
			t.Errorf("%s: content type %q, fields %q", path, got, fields)
		}
		if head.Get("x-missing") != nil {
			t.Errorf("%s: got a value for a missing field", path)
		}
	}
}
