package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// witness is a node that remembers its requests and responds 200.
type witness struct {
	server *httptest.Server
	mu     sync.Mutex
	saw    []string // "METHOD URI", and "broken METHOD URI" for a request with an incomplete body
}

func newWitness(t testing.TB) *witness {
	w := &witness{}
	w.server = serve(t, func(rw http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		line := r.Method + " " + r.RequestURI
		if err != nil {
			line = "broken " + line
		}
		w.mu.Lock()
		w.saw = append(w.saw, line)
		w.mu.Unlock()
		rw.Header().Set("X-Node", r.RequestURI)
	})
	return w
}

func (w *witness) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.saw)
}

// TestBadInput sends bytes, and compares the responses and the requests that the node gets. A refused request must
// not reach the node, and the bytes behind it must not be read as another request. A valid request, /next, follows
// each row: it gets a response if and only if the gateway reads the connection in step with the client.
//
// Every response of the gateway must be problem+json. None may be the plain text of net/http.
func TestBadInput(t *testing.T) {
	const h = "Host: a\r\n"
	const post = "POST /p HTTP/1.1\r\n" + h
	const chunked = post + "Transfer-Encoding: chunked\r\n\r\n"
	x := func(n int) string { return strings.Repeat("x", n) }
	get := func(target string) string { return "GET " + target + " HTTP/1.1\r\n" + h + "\r\n" }
	for _, row := range []struct {
		name, send string
		want       string // responses: "200" of the node, "400 reason" of the gateway, "next" to /next; then the end
		saw        string // requests that the node gets, without /next
		top        string // of the configuration
		half       bool   // the client then closes its sending side
		waits      bool   // the client then sends no more
	}{
		// Framing: CL and TE together, and each in a form that some servers read in another way.
		{name: "CL and TE", send: post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: "400 malformed"},
		{name: "TE and CL", send: post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", want: "400 malformed"},
		{name: "two CL alike", send: post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", want: "400 malformed"},
		{name: "two CL that differ", send: post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", want: "400 malformed"},
		{name: "CL list", send: post + "Content-Length: 3, 3\r\n\r\nabc", want: "400 malformed"},
		{name: "CL with sign", send: post + "Content-Length: +3\r\n\r\nabc", want: "400 malformed"},
		{name: "CL negative", send: post + "Content-Length: -1\r\n\r\n", want: "400 malformed"},
		{name: "CL empty", send: post + "Content-Length: \r\n\r\n", want: "400 malformed"},
		{name: "CL hex", send: post + "Content-Length: 0x3\r\n\r\nabc", want: "400 malformed"},
		{name: "CL with space", send: post + "Content-Length: 1 2\r\n\r\nabc", want: "400 malformed"},
		{name: "CL 2^63", send: post + "Content-Length: 9223372036854775808\r\n\r\n", want: "400 malformed"},
		{name: "CL with zeros in front", send: post + "Content-Length: 003\r\n\r\nabc", want: "200|next", saw: "POST /p"},
		{name: "TE unknown", send: post + "Transfer-Encoding: gzip\r\n\r\n", want: "400 malformed"},
		{name: "TE gzip, chunked", send: post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", want: "501 malformed"},
		{name: "TE chunked, identity", send: post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", want: "400 malformed"},
		{name: "TE chunked, chunked", send: post + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", want: "400 malformed"},
		{name: "TE twice", send: post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: "400 malformed"},
		{name: "TE with tab in front of colon", send: post + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", want: "400 malformed"},
		{name: "TE with vertical tab", send: post + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", want: "400 malformed"},
		{name: "TE quoted", send: post + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", want: "400 malformed"},
		{name: "TE in HTTP/1.0", send: "POST /p HTTP/1.0\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: "400 malformed"},
		{name: "TE in upper case", send: post + "TRANSFER-ENCODING: CHUNKED\r\n\r\n0\r\n\r\n", want: "200|next", saw: "POST /p"},

		// Chunks. The node gets the header of a streamed request before the fault. Its body stays incomplete, so that the
		// node cannot process it.
		{name: "chunk size with sign", send: chunked + "+1\r\na\r\n0\r\n\r\n", want: "400 malformed", saw: "broken POST /p"},
		{name: "chunk size with 0x", send: chunked + "0x1\r\na\r\n0\r\n\r\n", want: "400 malformed", saw: "broken POST /p"},
		{name: "chunk size of 17 digits", send: chunked + "00000000000000001\r\na\r\n0\r\n\r\n", want: "400 malformed", saw: "broken POST /p"},
		{name: "chunk size overflows", send: chunked + "ffffffffffffffff\r\na\r\n0\r\n\r\n", want: "400 malformed", saw: "broken POST /p"},
		{name: "chunk size empty", send: chunked + "\r\n\r\n0\r\n\r\n", want: "400 malformed", saw: "broken POST /p"},
		{name: "chunk size ends in LF", send: chunked + "1\na\r\n0\r\n\r\n", want: "400 malformed", saw: "broken POST /p"},
		{name: "chunk ends in LF", send: chunked + "1\r\na\n0\r\n\r\n", want: "400 malformed", saw: "broken POST /p"},
		{name: "chunk longer than its size", send: chunked + "1\r\nab\r\n0\r\n\r\n", want: "400 malformed", saw: "broken POST /p"},
		{name: "LF in extension", send: chunked + "1;a\nb\r\na\r\n0\r\n\r\n", want: "400 malformed", saw: "broken POST /p"},
		{name: "endless extension", send: chunked + "1;" + x(2<<10), want: "400 malformed", saw: "broken POST /p"},
		{name: "framing in the trailer", send: chunked + "1\r\na\r\n0\r\nContent-Length: 5\r\n\r\n", want: "400 malformed", saw: "broken POST /p"},
		{name: "extension is dropped", send: chunked + "1;a=b\r\na\r\n0\r\n\r\n", want: "200|next", saw: "POST /p"},

		// Host.
		{name: "two Hosts", send: "GET /p HTTP/1.1\r\n" + h + "Host: b\r\n\r\n", want: "400 malformed"},
		{name: "two Hosts alike", send: "GET /p HTTP/1.1\r\n" + h + h + "\r\n", want: "400 malformed"},
		{name: "no Host", send: "GET /p HTTP/1.1\r\n\r\n", want: "400 malformed"},
		{name: "empty Host", send: "GET /p HTTP/1.1\r\nHost:\r\n\r\n", want: "400 malformed"},
		{name: "Host with path", send: "GET /p HTTP/1.1\r\nHost: a/b\r\n\r\n", want: "400 malformed"},
		{name: "Host with user", send: "GET /p HTTP/1.1\r\nHost: u@a\r\n\r\n", want: "400 malformed"},
		{name: "Host with escape", send: "GET /p HTTP/1.1\r\nHost: a%00b\r\n\r\n", want: "400 malformed"},
		{name: "no Host in HTTP/1.0", send: "GET /p HTTP/1.0\r\n\r\n", want: "200", saw: "GET /p"},
		{name: "empty Host in HTTP/1.0", send: "GET /p HTTP/1.0\r\nHost:\r\n\r\n", want: "400 malformed"},
		{name: "Host in HTTP/1.0", send: "GET /p HTTP/1.0\r\n" + h + "\r\n", want: "200", saw: "GET /p"},
		{name: "absolute form", send: "GET http://a/p?q HTTP/1.1\r\n" + h + "\r\n", want: "200|next", saw: "GET /p?q"},
		{name: "absolute form with the default port", send: "GET http://a:80/p HTTP/1.1\r\n" + h + "\r\n", want: "200|next", saw: "GET /p"},
		{name: "absolute form without the default port", send: "GET http://a/p HTTP/1.1\r\nHost: a:80\r\n\r\n", want: "200|next", saw: "GET /p"},
		{name: "absolute form with another port", send: "GET http://a:81/p HTTP/1.1\r\n" + h + "\r\n", want: "400 malformed"},
		{name: "absolute form without path", send: "GET http://a HTTP/1.1\r\n" + h + "\r\n", want: "200|next", saw: "GET /"},
		{name: "absolute form of another host", send: "GET http://b/p HTTP/1.1\r\n" + h + "\r\n", want: "400 malformed"},
		{name: "absolute form with user", send: "GET http://u:p@a/p HTTP/1.1\r\n" + h + "\r\n", want: "400 malformed"},
		{name: "absolute form of another scheme", send: "GET ftp://a/p HTTP/1.1\r\n" + h + "\r\n", want: "400 malformed"},

		// Methods, versions and protocols that are not served.
		{name: "CONNECT", send: "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n", want: "405 malformed"},
		{name: "CONNECT with a path", send: "CONNECT /p HTTP/1.1\r\n" + h + "\r\n", want: "405 malformed"},
		{name: "TRACE", send: "TRACE /p HTTP/1.1\r\n" + h + "\r\n", want: "405 method|next"},
		{name: "h2c upgrade is not passed on", send: "GET /p HTTP/1.1\r\n" + h + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", want: "200|next", saw: "GET /p"},
		{name: "h2c preface", send: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", want: "505 malformed"},
		{name: "another upgrade is not passed on", send: "GET /p HTTP/1.1\r\n" + h + "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n", want: "200|next", saw: "GET /p"},
		{name: "upgrade to websocket or h2c", send: "GET /p HTTP/1.1\r\n" + h + "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n", want: "200|next", saw: "GET /p"},
		{name: "upgrade with a body", send: "GET /p HTTP/1.1\r\n" + h + "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc", want: "200|next", saw: "GET /p"},
		{name: "HTTP/2.0 in the line", send: "GET /p HTTP/2.0\r\n" + h + "\r\n", want: "505 malformed"},
		{name: "HTTP/1.2", send: "GET /p HTTP/1.2\r\n" + h + "\r\n", want: "505 malformed"},
		{name: "HTTP/0.9", send: "GET /p\r\n\r\n", want: "400 malformed"},
		{name: "PROXY header from a stranger", send: "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get("/p"), want: "400 malformed"},
		{name: "TLS on the plain port", send: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + x(200) + "\n", want: "400 malformed"},
		{name: "unknown expectation", send: post + "Expect: coffee\r\nContent-Length: 3\r\n\r\nabc", want: "417 malformed"},
		{name: "OPTIONS *", send: "OPTIONS * HTTP/1.1\r\n" + h + "\r\n", want: "200|next", saw: "OPTIONS *"},
		{name: "GET *", send: "GET * HTTP/1.1\r\n" + h + "\r\n", want: "400 malformed"},

		// Octets.
		{name: "bare LF in the request line", send: "GET /p HTTP/1.1\n" + h + "\r\n", want: "400 malformed"},
		{name: "bare LF in a field", send: "GET /p HTTP/1.1\r\nHost: a\n\r\n", want: "400 malformed"},
		{name: "bare CR in a value", send: "GET /p HTTP/1.1\r\n" + h + "X: a\rY: b\r\n\r\n", want: "400 malformed"},
		{name: "obs-fold", send: "GET /p HTTP/1.1\r\n" + h + "X: a\r\n b\r\n\r\n", want: "400 malformed"},
		{name: "NUL in a value", send: "GET /p HTTP/1.1\r\n" + h + "X: a\x00b\r\n\r\n", want: "400 malformed"},
		{name: "NUL in the target", send: "GET /p\x00 HTTP/1.1\r\n" + h + "\r\n", want: "400 malformed"},
		{name: "space in front of a colon", send: "GET /p HTTP/1.1\r\nHost : a\r\n\r\n", want: "400 malformed"},
		{name: "space in a name", send: "GET /p HTTP/1.1\r\n" + h + "X Y: b\r\n\r\n", want: "400 malformed"},
		{name: "two spaces in the line", send: "GET  /p HTTP/1.1\r\n" + h + "\r\n", want: "400 malformed"},
		{name: "space in the target", send: get("/p q"), want: "400 malformed"},
		{name: "fragment", send: get("/p#q"), want: "400 malformed"},
		{name: "bad escape", send: get("/%zz"), want: "400 malformed"},

		// Connection names fields that this hop uses.
		{name: "nominates Content-Length", send: post + "Connection: Content-Length\r\nContent-Length: 3\r\n\r\nabc", want: "400 malformed"},
		{name: "nominates Transfer-Encoding", send: post + "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: "400 malformed"},
		{name: "nominates Host", send: "GET /p HTTP/1.1\r\n" + h + "Connection: close, Host\r\n\r\n", want: "400 malformed"},
		{name: "nominates X-Forwarded-For", send: "GET /p HTTP/1.1\r\n" + h + "Connection: X-Forwarded-For\r\n\r\n", want: "400 malformed"},
		{name: "nominates X-Real-Ip", send: "GET /p HTTP/1.1\r\n" + h + "Connection: X-Real-Ip\r\n\r\n", want: "400 malformed"},
		{name: "nominates Forwarded", send: "GET /p HTTP/1.1\r\n" + h + "Connection: Forwarded\r\n\r\n", want: "400 malformed"},
		{name: "nominates Authorization", send: "GET /p HTTP/1.1\r\n" + h + "Connection: Authorization\r\n\r\n", want: "400 malformed"},
		{name: "nominates Cookie", send: "GET /p HTTP/1.1\r\n" + h + "Connection: Cookie\r\n\r\n", want: "400 malformed"},

		// Paths: the gateway and the node must read the same path.
		{name: "/../", send: get("/a/../p"), want: "400 path|next"},
		{name: "/..", send: get("/a/.."), want: "400 path|next"},
		{name: "/./", send: get("/a/./p"), want: "400 path|next"},
		{name: "/%2e%2e/", send: get("/a/%2e%2E/p"), want: "400 path|next"},
		{name: "/.%2e/", send: get("/a/.%2e/p"), want: "400 path|next"},
		{name: "/..%2f", send: get("/a/..%2fp"), want: "400 path|next"},
		{name: "/..;/", send: get("/a/..;/p"), want: "400 path|next"},
		{name: "/..;x=1/", send: get("/a/..;x=1/p"), want: "400 path|next"},
		{name: "/..%3b/", send: get("/a/..%3b/p"), want: "400 path|next"},
		{name: `\..\`, send: get(`/a\..\p`), want: "400 path|next"},
		{name: `%5c..%5c`, send: get(`/a%5c..%5cp`), want: "400 path|next"},
		{name: "/%00", send: get("/a%00b"), want: "400 path|next"},
		{name: `\ is escaped`, send: get(`/a\b`), want: "200|next", saw: "GET /a%5Cb"},
		{name: "%2f stays", send: get("/a%2Fb"), want: "200|next", saw: "GET /a%2Fb"},
		{name: "// stays", send: get("/a//b"), want: "200|next", saw: "GET /a//b"},
		{name: "dots that are no dot segments", send: get("/...//.well-known/..a/b..;c"), want: "200|next", saw: "GET /...//.well-known/..a/b..;c"},
		{name: "%252e is not decoded twice", send: get("/a/%252e%252e/p"), want: "200|next", saw: "GET /a/%252e%252e/p"},
		{name: "odd query stays", send: get("/p?a=%zz;b=/../%00"), want: "200|next", saw: "GET /p?a=%zz;b=/../%00"},
		{name: "raw octets in the query", send: get("/p?q=\xc3\xbc&a[]=\"<{|}>\"`^\\"), want: "200|next", saw: "GET /p?q=%C3%BC&a%5B%5D=%22%3C%7B%7C%7D%3E%22%60%5E%5C"},
		{name: "raw octets in the path", send: get("/\xc3\xbc/[a]!%2f|%7c"), want: "200|next", saw: "GET /%C3%BC/%5Ba%5D!%2f%7C%7c"},
		{name: "octets that RFC 3986 allows", send: get("/-._~!$&'()*+,;=:@?-._~!$&'()*+,;=:@/?"), want: "200|next", saw: "GET /-._~!$&'()*+,;=:@?-._~!$&'()*+,;=:@/?"},
		{name: "refused path with a body", send: "POST /../p HTTP/1.1\r\n" + h + "Content-Length: 3\r\n\r\nabc", want: "400 path|next"},

		// Sizes.
		{name: "header of 33 KiB", send: "GET /p HTTP/1.1\r\n" + h + "X: " + x(33<<10) + "\r\n\r\n", want: "431 malformed"},
		{name: "header of many small lines", send: "GET /p HTTP/1.1\r\n" + h + strings.Repeat("X: y\r\n", 128) + "\r\n", want: "431 malformed"},
		{name: "128 lines", send: "GET /p HTTP/1.1\r\n" + h + strings.Repeat("X: y\r\n", 127) + "\r\n", want: "200|next", saw: "GET /p"},
		{name: "URI of 9 KiB", send: get("/" + x(9<<10)), want: "414 malformed"},
		{name: "configured limit of the URI", send: get("/" + x(256)), want: "414 malformed", top: "limits: {uri_bytes: 256}"},
		{name: "configured limit of header lines", send: "GET /p HTTP/1.1\r\n" + h + strings.Repeat("X: y\r\n", 8) + "\r\n", want: "431 malformed", top: "limits: {header_lines: 8}"},
		{name: "body too large", send: post + "Content-Length: 200\r\n\r\n" + x(200), want: "413 body_too_large", top: "limits: {body_bytes: 100}"},
		{name: "chunked body too large", send: chunked + "c8\r\n" + x(200) + "\r\n0\r\n\r\n", want: "413 body_too_large", saw: "broken POST /p", top: "limits: {body_bytes: 100}"},
		{name: "body at its limit", send: post + "Content-Length: 100\r\n\r\n" + x(100), want: "200|next", saw: "POST /p", top: "limits: {body_bytes: 100}"},

		// Slow and incomplete requests.
		{name: "slow header", send: "GET /p HTTP/1.1\r\nHos", want: "408 malformed", top: "limits: {header_timeout: 100ms}", waits: true},
		{name: "nothing at all", send: "", want: "", top: "limits: {header_timeout: 100ms}", waits: true},
		{name: "slow body", send: post + "Content-Length: 5\r\n\r\nab", want: "408 body_too_slow", top: "limits: {body_grace: 100ms}", waits: true},
		{name: "slow chunked body", send: chunked + "5\r\nab", want: "408 body_too_slow", saw: "broken POST /p", top: "limits: {body_grace: 100ms}", waits: true},
		{name: "slow large body", send: post + "Content-Length: 100000\r\n\r\nab", want: "408 body_too_slow", saw: "broken POST /p", top: "limits: {body_grace: 100ms}", waits: true},
		{name: "slow body of a request that is refused", send: "POST /../p HTTP/1.1\r\n" + h + "Content-Length: 5\r\n\r\nab", want: "400 path", top: "limits: {body_grace: 100ms}", waits: true},
		{name: "slow body that is too large", send: post + "Content-Length: 200\r\n\r\nab", want: "413 body_too_large", top: "limits: {body_grace: 100ms, body_bytes: 100}", waits: true},
		{name: "idle", send: get("/p"), want: "200", saw: "GET /p", top: "limits: {idle_timeout: 100ms}", waits: true},
		{name: "half a request line", send: "GET /p HT", half: true},
		{name: "half a header", send: "GET /p HTTP/1.1\r\nHost: a\r\nX: ", half: true},
		{name: "half a body", send: post + "Content-Length: 5\r\n\r\nab", half: true},
		{name: "half a chunked body", send: chunked + "5\r\nab", half: true, saw: "broken POST /p"},
		{name: "chunked body without its end", send: chunked + "2\r\nab\r\n", half: true, saw: "broken POST /p"},

		// Several requests.
		{name: "good, bad, good", send: get("/1") + "GET /2 HTTP/1.1\r\n\r\n" + get("/3"), want: "200|400 malformed", saw: "GET /1"},
		{name: "good, refused path, good", send: get("/1") + get("/../2") + get("/3"), want: "200|400 path|200|next", saw: "GET /1|GET /3"},
		{name: "a smuggled request", send: post + "Content-Length: 4\r\n\r\n0\r\n\rGET /smuggled HTTP/1.1\r\n" + h + "\r\n", want: "200|200|next", saw: "POST /p|GET /smuggled"},
		{name: "empty line in front", send: "\r\n" + get("/p"), want: "200|next", saw: "GET /p"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			node := newWitness(t)
			f := start(t, row.top, "", address(node.server))

			send := row.send
			if !row.half && !row.waits {
				send += "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
			}
			nc := dial(t, f.addr)
			go func() {
				io.WriteString(nc, send)
				if row.half {
					nc.(*net.TCPConn).CloseWrite()
				}
			}()
			br := bufio.NewReader(nc)
			var got []string
			for {
				resp, err := http.ReadResponse(br, nil)
				if err != nil {
					break
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Errorf("response %d: %v", resp.StatusCode, err)
				}
				line := fmt.Sprint(resp.StatusCode)
				switch by := resp.Header.Get("X-Node"); {
				case by == "/next":
					line = "next"
				case by == "":
					line += " " + problemOf(t, resp, string(body))
				}
				got = append(got, line)
			}
			f.kill() // ends all requests
			node.server.Close()
			if got := strings.Join(got, "|"); got != row.want {
				t.Errorf("responses %s, want %s", got, row.want)
			}
			saw := slices.DeleteFunc(node.list(), func(s string) bool { return s == "GET /next" })
			broken := strings.HasPrefix(row.saw, "broken")
			if saw := strings.Join(saw, "|"); saw != row.saw && !(broken && saw == "") { // the node may not have read the header
				t.Errorf("the node saw %s, want %s", saw, row.saw)
			}
		})
	}
}
