package guard

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// guardedServer starts a server with handler h behind a guard and returns its address.
func guardedServer(t testing.TB, o *Options, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	Attach(srv)
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(NewListener(l, o))
	}()
	t.Cleanup(func() { srv.Close(); <-done })
	return l.Addr().String()
}

// describe is a handler that answers with the request that it sees: "METHOD URI host=HOST body=BODY fields...". It
// answers a refused request with the reason.
var describe http.HandlerFunc = func(w http.ResponseWriter, r *http.Request) {
	if status, reason, ok := Refusal(r); ok {
		http.Error(w, reason+" ("+r.Method+" "+r.RequestURI+")", status)
		return
	}
	body, err := io.ReadAll(r.Body)
	if refused := (*RefusedError)(nil); errors.As(err, &refused) {
		status, reason, _ := Refusal(r)
		http.Error(w, fmt.Sprintf("body: %s (%d %s)", refused.Reason, refused.Status, reason), status)
		return
	}
	fmt.Fprintf(w, "%s %s host=%s body=%q", r.Method, r.RequestURI, r.Host, body)
	for _, name := range []string{"X", "X_y", refusalHeader} {
		if values, ok := r.Header[http.CanonicalHeaderKey(name)]; ok {
			fmt.Fprintf(w, " %s=%q", name, values)
		}
	}
	if len(r.Trailer) > 0 {
		fmt.Fprintf(w, " trailer=%q", r.Trailer)
	}
}

// exchange sends bytes and returns status and body of each answer, at most n of them, and "end" if the server closed
// the connection after them.
func exchange(t testing.TB, addr, send string, n int) (answers []string) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	go io.WriteString(nc, send)
	br := bufio.NewReader(nc)
	for range n {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			return append(answers, "error: "+err.Error())
		}
		body, _ := io.ReadAll(resp.Body)
		answers = append(answers, fmt.Sprintf("%d %s", resp.StatusCode, strings.TrimSpace(string(body))))
	}
	if _, err := br.ReadByte(); err == io.EOF {
		answers = append(answers, "end")
	}
	return answers
}

func TestRules(t *testing.T) {
	const h = "Host: a\r\n"
	long := strings.Repeat("a", 8<<10)
	lines := strings.Repeat("A: b\r\n", 127)
	for _, test := range []struct {
		name, send, want string
	}{
		// Valid requests.
		{"plain", "GET /p?q HTTP/1.1\r\n" + h + "\r\n", `200 GET /p?q host=a body=""`},
		{"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", `200 GET / host= body=""`},
		{"Content-Length", "POST / HTTP/1.1\r\n" + h + "Content-Length: 3\r\n\r\nabc", `200 POST / host=a body="abc"`},
		{"chunked", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n",
			`200 POST / host=a body="abc0123456789"`},
		{"chunk extension is dropped", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n1;a=\"b\"\r\nx\r\n2;c\r\nyz\r\n0;d\r\n\r\n",
			`200 POST / host=a body="xyz"`},
		{"trailer", "POST / HTTP/1.1\r\n" + h + "Trailer: X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\nX_y: z\r\n\r\n",
			`200 POST / host=a body="" trailer=map["X":["y"]]`},
		{"absolute form", "GET http://A:80/x HTTP/1.1\r\nHost: a:80\r\n\r\n", `200 GET http://A:80/x host=A:80 body=""`},
		{"absolute form with the default port", "GET http://a:80/x HTTP/1.1\r\n" + h + "\r\n", `200 GET http://a:80/x host=a:80 body=""`},
		{"Host with the default port", "GET https://a/x HTTP/1.1\r\nHost: A:443\r\n\r\n", `200 GET https://a/x host=a body=""`},
		{"empty port", "GET http://a:/x HTTP/1.1\r\nHost: a:80\r\n\r\n", `200 GET http://a:/x host=a: body=""`},
		{"IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", `200 GET / host=[::1]:80 body=""`},
		{"empty line before", "\r\nGET / HTTP/1.1\r\n" + h + "\r\n", `200 GET / host=a body=""`},
		{"whitespace around value", "GET / HTTP/1.1\r\nHost:\t a \r\nX:  y z\t\r\n\r\n", `200 GET / host=a body="" X=["y z"]`},
		{"obs-text", "GET / HTTP/1.1\r\n" + h + "X: \xe4\r\n\r\n", `200 GET / host=a body="" X=["\xe4"]`},
		{"underscore is dropped", "GET / HTTP/1.1\r\nX_Y: 1\r\n" + h + "X: 2\r\nX_z: 3\r\n\r\n", `200 GET / host=a body="" X=["2"]`},
		{"forged refusal is dropped", "GET / HTTP/1.1\r\n" + h + "tenfold-refusal: x 400 y\r\n\r\n", `200 GET / host=a body=""`},
		{"Expect", "POST / HTTP/1.1\r\n" + h + "Content-Length: 1\r\nExpect: 100-Continue\r\n\r\nx", `100 |200 POST / host=a body="x"`},
		{"longest target", "GET /" + long[1:] + " HTTP/1.1\r\n" + h + "\r\n", "200 GET /" + long[1:] + ` host=a body=""`},
		{"most lines", "GET / HTTP/1.1\r\n" + h + lines + "\r\n", `200 GET / host=a body=""`},

		// Framing.
		{"CL and TE", "POST /p HTTP/1.1\r\n" + h + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 both Content-Length and Transfer-Encoding (POST /p)"},
		{"TE and CL", "POST /p HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", "400 both"},
		{"two CL", "POST / HTTP/1.1\r\n" + h + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400 more than one Content-Length"},
		{"CL list", "POST / HTTP/1.1\r\n" + h + "Content-Length: 3, 3\r\n\r\nabc", "400 invalid Content-Length"},
		{"CL sign", "POST / HTTP/1.1\r\n" + h + "Content-Length: +3\r\n\r\nabc", "400 invalid Content-Length"},
		{"CL empty", "POST / HTTP/1.1\r\n" + h + "Content-Length:\r\n\r\n", "400 invalid Content-Length"},
		{"CL hex", "POST / HTTP/1.1\r\n" + h + "Content-Length: 0x3\r\n\r\nabc", "400 invalid Content-Length"},
		{"CL 2^63", "POST / HTTP/1.1\r\n" + h + "Content-Length: 9223372036854775808\r\n\r\n", "400 invalid Content-Length"},
		{"TE unknown", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: gzip, chunked\r\n\r\n", "501 unknown transfer coding"},
		{"TE identity", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: identity\r\n\r\n", "400 the last transfer coding is not chunked"},
		{"TE twice in a list", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked, chunked\r\n\r\n", "400 Transfer-Encoding"},
		{"TE twice", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "400 Transfer-Encoding"},
		{"TE empty", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding:\r\n\r\n", "400 the last transfer coding is not chunked"},
		{"TE parameter", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked;a\r\n\r\n", "400 the last transfer coding is not chunked"},
		{"TE chunked not last", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked, gzip\r\n\r\n", "400 the last transfer coding is not chunked"},
		{"TE chunked not last, in two lines", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n", "400 the last transfer coding is not chunked"},
		{"TE unknown in two lines", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", "501 unknown transfer coding"},
		{"TE not last with CL", "POST / HTTP/1.1\r\n" + h + "Content-Length: 3\r\nTransfer-Encoding: x\r\n\r\nabc", "400 both"},
		{"TE with vertical tab", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: \x0bchunked\r\n\r\n", "400 invalid octet in header value"},
		{"TE in HTTP/1.0", "POST / HTTP/1.0\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 Transfer-Encoding in HTTP/1.0"},
		{"Trailer announces framing", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\nTrailer: content-length\r\n\r\n0\r\n\r\n", "400 trailer field"},

		// Octets.
		{"bare LF after the request line", "GET / HTTP/1.1\n" + h + "\r\n", "400 line does not end in CRLF"},
		{"bare LF after a field", "GET / HTTP/1.1\r\nHost: a\n\r\n", "400 line does not end in CRLF (GET /)"},
		{"bare LF at the end", "GET / HTTP/1.1\r\n" + h + "\n", "400 line does not end in CRLF"},
		{"bare CR in a value", "GET / HTTP/1.1\r\n" + h + "X: a\rb\r\n\r\n", "400 invalid octet in header value"},
		{"CR twice", "GET / HTTP/1.1\r\r\n" + h + "\r\n", "400 invalid request line"},
		{"NUL", "GET / HTTP/1.1\r\n" + h + "X: a\x00b\r\n\r\n", "400 invalid octet in header value"},
		{"DEL", "GET / HTTP/1.1\r\n" + h + "X: \x7f\r\n\r\n", "400 invalid octet in header value"},
		{"fold", "GET / HTTP/1.1\r\n" + h + "X: a\r\n b\r\n\r\n", "400 folded header line"},
		{"fold at once", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400 folded header line"},
		{"space before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400 invalid octet in header name"},
		{"name with slash", "GET / HTTP/1.1\r\n" + h + "X/Y: a\r\n\r\n", "400 invalid octet in header name"},
		{"name beyond ASCII", "GET / HTTP/1.1\r\n" + h + "\xc3\xa4: a\r\n\r\n", "400 invalid octet in header name"},
		{"no name", "GET / HTTP/1.1\r\n" + h + ": a\r\n\r\n", "400 header line without name"},
		{"no colon", "GET / HTTP/1.1\r\n" + h + "abc\r\n\r\n", "400 header line without name"},
		{"two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\n" + h + "\r\n", "400 empty line"},

		// The request line.
		{"two spaces", "GET  / HTTP/1.1\r\n" + h + "\r\n", "400 invalid request line"},
		{"space in target", "GET /a b HTTP/1.1\r\n" + h + "\r\n", "400 invalid request line"},
		{"space at the end", "GET / HTTP/1.1 \r\n" + h + "\r\n", "400 invalid request line"},
		{"no version", "GET /\r\n" + h + "\r\n", "400 invalid request line"},
		{"no method", " / HTTP/1.1\r\n" + h + "\r\n", "400 invalid method"},
		{"bad method", "G@T / HTTP/1.1\r\n" + h + "\r\n", "400 invalid method"},
		{"HTTP/2.0", "GET / HTTP/2.0\r\n" + h + "\r\n", "505 HTTP version"},
		{"HTTP/1.2", "GET / HTTP/1.2\r\n" + h + "\r\n", "505 HTTP version"},
		{"HTTP/0.9", "GET / HTTP/0.9\r\n" + h + "\r\n", "505 HTTP version"},
		{"http/1.1", "GET / http/1.1\r\n" + h + "\r\n", "400 invalid request line"},
		{"HTTP/1.10", "GET / HTTP/1.10\r\n" + h + "\r\n", "400 invalid request line"},
		{"h2c preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 HTTP version"},
		{"CONNECT", "CONNECT b:443 HTTP/1.1\r\n" + h + "\r\n", "405 CONNECT is not served"},
		{"CONNECT with a path", "CONNECT /x HTTP/1.1\r\n" + h + "\r\n", "405 CONNECT is not served"},
		{"fragment", "GET /a#b HTTP/1.1\r\n" + h + "\r\n", "400 invalid request target"},
		{"control in target", "GET /a\x01 HTTP/1.1\r\n" + h + "\r\n", "400 invalid request target"},
		{"bad escape", "GET /%zz HTTP/1.1\r\n" + h + "\r\n", "400 invalid request target"},
		{"cut escape", "GET /%a HTTP/1.1\r\n" + h + "\r\n", "400 invalid request target"},
		{"relative", "GET a HTTP/1.1\r\n" + h + "\r\n", "400 invalid request target"},
		{"star", "GET * HTTP/1.1\r\n" + h + "\r\n", "400 invalid request target"},
		{"other scheme", "GET ftp://a/ HTTP/1.1\r\n" + h + "\r\n", "400 invalid request target"},
		{"userinfo", "GET http://u@a/ HTTP/1.1\r\n" + h + "\r\n", "400 invalid request target"},
		{"no authority", "GET http:///x HTTP/1.1\r\n" + h + "\r\n", "400 invalid request target"},
		{"long target", "GET /" + long + " HTTP/1.1\r\n" + h + "\r\n", "414 request target too long"},
		{"endless target", "GET /" + long + long, "414 request target too long"},

		// Host and Connection.
		{"no Host", "GET /x HTTP/1.1\r\n\r\n", "400 missing Host (GET /x)"},
		{"two Hosts", "GET / HTTP/1.1\r\n" + h + h + "\r\n", "400 more than one Host"},
		{"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\n" + h + h + "\r\n", "400 more than one Host"},
		{"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "400 invalid Host"},
		{"Host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400 invalid Host"},
		{"Host with userinfo", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "400 invalid Host"},
		{"Host list", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400 invalid Host"},
		{"Host with bad port", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", "400 invalid Host"},
		{"Host with bad literal", "GET / HTTP/1.1\r\nHost: [a\r\n\r\n", "400 invalid Host"},
		{"other authority", "GET http://b/ HTTP/1.1\r\n" + h + "\r\n", "400 Host differs from the request target"},
		{"default port of another scheme", "GET http://a:443/ HTTP/1.1\r\n" + h + "\r\n", "400 Host differs from the request target"},
		{"other port", "GET http://a:8080/ HTTP/1.1\r\nHost: a:80\r\n\r\n", "400 Host differs from the request target"},
		{"nominates framing", "GET / HTTP/1.1\r\n" + h + "Connection: close, Content-Length\r\n\r\n", "400 Connection names"},
		{"nominates identity", "GET / HTTP/1.1\r\n" + h + "Connection: AUTHORIZATION\r\n\r\n", "400 Connection names"},
		{"nominates a key", "GET / HTTP/1.1\r\n" + h + "Connection: idempotency-key\r\n\r\n", "400 Connection names"},
		{"nominates forwarded", "GET / HTTP/1.1\r\n" + h + "Connection: x-forwarded-for\r\n\r\n", "400 Connection names"},
		{"bad Connection", "GET / HTTP/1.1\r\n" + h + "Connection: a b\r\n\r\n", "400 invalid Connection"},
		{"unknown expectation", "GET / HTTP/1.1\r\n" + h + "Expect: 200-ok\r\n\r\n", "417 unknown expectation"},

		// Limits.
		{"too many lines", "GET / HTTP/1.1\r\n" + h + lines + "A: b\r\n\r\n", "431 too many header lines"},
		{"header too large", "GET / HTTP/1.1\r\n" + h + "X: " + strings.Repeat("x", 32<<10) + "\r\n\r\n", "431 header too large (GET /)"},
		{"endless header", "GET / HTTP/1.1\r\n" + h + "X: " + strings.Repeat("x", 64<<10), "431 header too large"},

		// Bodies.
		{"chunk size with prefix", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", "400 body: invalid chunk size (400 invalid chunk size)"},
		{"chunk size with sign", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n", "400 body: invalid chunk size"},
		{"chunk size with space", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n", "400 body: invalid chunk size"},
		{"chunk size empty", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n\r\na\r\n0\r\n\r\n", "400 body: invalid chunk size"},
		{"chunk size overflows", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n8000000000000001\r\na\r\n0\r\n\r\n", "400 body: invalid chunk size"},
		{"chunk size of 17 digits", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n00000000000000001\r\na\r\n0\r\n\r\n", "400 body: invalid chunk size"},
		{"chunk size ends in LF", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n", "400 body: line does not end in CRLF"},
		{"chunk ends in LF", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n", "400 body: chunk does not end in CRLF"},
		{"chunk is longer", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", "400 body: chunk does not end in CRLF"},
		{"CR in extension", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n1;a\rb\r\na\r\n0\r\n\r\n", "400 body: invalid chunk extension"},
		{"long extension", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n1;" + long, "400 body: chunk-size line too long"},
		{"many extensions", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+long[:1000]+"\r\na\r\n", 10), "400 body: too many chunk extensions"},
		{"trailer with framing", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 1\r\n\r\n", "400 body: trailer field"},
		{"bare LF in trailer", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: 1\n\r\n", "400 body: line does not end in CRLF"},
		{"bare LF after last chunk", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n0\r\n\n", "400 body: line does not end in CRLF"},
		{"long trailer", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + long, "431 body: header too large"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			addr := guardedServer(t, nil, describe)
			wants := strings.Split(test.want, "|")
			passes := wants[0][0] != '4' && wants[0][0] != '5'
			// The server answers this next request if the first one passes. Otherwise it must never see it.
			const next = "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
			if passes {
				wants = append(wants, `200 GET /next host=a body=""`)
				if strings.Contains(test.send, "HTTP/1.0\r\n") {
					wants = wants[:1]
				}
			}
			wants = append(wants, "end")
			got := exchange(t, addr, test.send+next, len(wants)-1)
			if len(got) != len(wants) {
				t.Fatalf("got %q, want %q", got, wants)
			}
			for i := range wants {
				if passes && got[i] != wants[i] || !strings.HasPrefix(got[i], wants[i]) {
					t.Errorf("got %q, want %q", got[i], wants[i])
				}
			}
		})
	}
}
