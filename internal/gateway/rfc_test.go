package gateway

import (
	"slices"
	"strings"
	"testing"
)

// TestRFC has one row for each rule of HTTP that clients of comparable software have found broken, with the section
// that states it. The gateway refuses, or the node gets the request.
func TestRFC(t *testing.T) {
	a, top := secure(t)
	node := newWitness(t)
	plain, encrypted := start(t, "", "", address(node.server)), start(t, top, "", address(node.server))
	const h = "Host: a\r\n"
	const post = "POST /p HTTP/1.1\r\n" + h
	for _, row := range []struct{ section, name, send, want string }{
		{"RFC 9112 section 6.3", "the last coding of a request is not chunked", post + "Transfer-Encoding: chunked, gzip\r\n\r\n", "400"},
		{"RFC 9112 section 6.3", "no coding of a request is chunked", post + "Transfer-Encoding: gzip\r\n\r\n", "400"},
		{"RFC 9112 section 6.3", "chunked and then another line", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n", "400"},
		{"RFC 9112 section 7", "chunked twice", post + "Transfer-Encoding: chunked, chunked\r\n\r\n", "400"},
		{"RFC 9112 section 6.1", "an unknown coding in front of chunked", post + "Transfer-Encoding: gzip, chunked\r\n\r\n", "501"},
		{"RFC 9112 section 6.1", "a coding in HTTP/1.0", "POST /p HTTP/1.0\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n", "400"},
		{"RFC 9110 section 4.2.3", "the default port in the target only", "GET http://a:80/p HTTP/1.1\r\n" + h + "\r\n", "200"},
		{"RFC 9110 section 4.2.3", "the default port in Host only", "GET http://a/p HTTP/1.1\r\nHost: a:80\r\n\r\n", "200"},
		{"RFC 9110 section 4.2.3", "the default port of https", "GET https://a/p HTTP/1.1\r\nHost: a:443\r\n\r\n", "200"},
		{"RFC 9112 section 3.2", "another port", "GET http://a:81/p HTTP/1.1\r\n" + h + "\r\n", "400"},
		{"RFC 9112 section 3.2", "no Host in HTTP/1.1", "GET /p HTTP/1.1\r\n\r\n", "400"},
		{"RFC 1945 section 5", "no Host in HTTP/1.0", "GET /p HTTP/1.0\r\n\r\n", "200"},
		{"RFC 9110 section 10.1.1", "an unknown expectation", post + "Content-Length: 0\r\nExpect: coffee\r\n\r\n", "417"},
	} {
		got := sendRaw(t, plain.addr, strings.Replace(row.send, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1))
		if !strings.Contains(got, " "+row.want+" ") {
			t.Errorf("%s: %s: got %.60q, want %s", row.section, row.name, got, row.want)
		}
	}
	get := []string{":method", "POST", ":scheme", "https", ":authority", "a", ":path", "/p"}
	at := func(path string) []string { return append(slices.Clone(get[:7]), path) }
	with := func(more ...string) []string { return append(slices.Clone(get), more...) }
	for _, row := range []struct {
		section, name string
		send          []string
		want          string
	}{
		{"RFC 9113 section 8.1.1", "content-length 5 and END_STREAM", with("content-length", "5"), "400"},
		{"RFC 9113 section 8.1.1", "content-length 0 and END_STREAM", with("content-length", "0"), "200"},
		{"RFC 9110 section 8.6", "a content-length that is no number", with("content-length", "0x0"), "400"},
		{"RFC 9110 section 8.6", "content-lengths that differ", with("content-length", "0", "content-length", "1"), "400"},
		{"RFC 9113 section 8.3.1", "a space in :path", at("/p q"), "400"},
		{"RFC 9113 section 8.3.1", "a fragment in :path", at("/p#q"), "400"},
		{"RFC 9113 section 8.2.1", "a space in front of a value", with("x", " y"), "400"},
		{"RFC 9113 section 8.2.1", "a tab behind a value", with("x", "y\t"), "400"},
		{"RFC 9113 section 8.3.1", "host differs from :authority", with("host", "b"), "400"},
		{"RFC 9110 section 4.2.3", "host with the default port", with("host", "a:443"), "200"},
		{"RFC 9110 section 10.1.1", "an unknown expectation", with("expect", "coffee"), "417"},
	} {
		c := dialFrames(t, encrypted.addr, a)
		c.request(t, true, row.send...)
		if got := c.response(); !strings.HasPrefix(got, row.want+" ") {
			t.Errorf("%s: %s: got %.60q, want %s", row.section, row.name, got, row.want)
		}
	}
}
