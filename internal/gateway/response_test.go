package gateway

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// TestResponses compares the response of a node with the one that the client gets, octet by octet except for Date.
func TestResponses(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	const text = "Content-Type: text/plain\r\n"
	for _, row := range []struct {
		name, method, node, want string
	}{
		{"length", "GET", ok + text + "Content-Length: 4\r\n\r\nbody", ok + "Content-Length: 4\r\n" + text + "\r\nbody"},
		{"chunked", "GET", ok + text + "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
			ok + text + "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"},
		{"until the end", "GET", ok + text + "\r\nbody", ok + text + "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"},
		{"HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\n" + text + "\r\nbody", ok + text + "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"},
		{"no type is guessed", "GET", ok + "Content-Length: 6\r\n\r\n<html>", ok + "Content-Length: 6\r\n\r\n<html>"},
		{"empty", "GET", ok + "Content-Length: 0\r\n\r\n", ok + "Content-Length: 0\r\n\r\n"},
		{"HEAD", "HEAD", ok + text + "Content-Length: 1000\r\n\r\n", ok + "Content-Length: 1000\r\n" + text + "\r\n"},
		{"HEAD without length", "HEAD", ok + text + "\r\n", ok + text + "\r\n"},
		{"HEAD chunked", "HEAD", ok + text + "Transfer-Encoding: chunked\r\n\r\n", ok + text + "\r\n"},
		{"204", "GET", "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n"},
		{"204 with a length", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nEtag: \"a\"\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nEtag: \"a\"\r\n\r\n"},
		{"304 with a length", "GET", "HTTP/1.1 304 Not Modified\r\nEtag: \"a\"\r\nContent-Length: 4\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\nEtag: \"a\"\r\n\r\n"},
		{"unknown status", "GET", "HTTP/1.1 299 Fine\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 299 Fine\r\nContent-Length: 0\r\n\r\n"},
		{"reason phrase", "GET", "HTTP/1.1 404 Not here, \xfc\r\nContent-Length: 4\r\n\r\nbody", "HTTP/1.1 404 Not here, \xfc\r\nContent-Length: 4\r\n\r\nbody"},
		{"reason phrase of a 304", "GET", "HTTP/1.1 304 Same\r\nContent-Length: 4\r\n\r\n", "HTTP/1.1 304 Same\r\nContent-Length: 4\r\n\r\n"},
		{"empty reason phrase", "GET", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"},
		{"no reason phrase", "GET", "HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n"},
		{"103", "GET", "HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\nConnection: X\r\nX: y\r\n\r\n" + ok + "Content-Length: 0\r\n\r\n",
			"HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n" + ok + "Content-Length: 0\r\n\r\n"},
		{"102 and 100 are not passed on", "GET", "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + ok + "Content-Length: 0\r\n\r\n",
			ok + "Content-Length: 0\r\n\r\n"},
		{"hop by hop", "GET", ok + "Connection: X-Secret, keep-alive\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n" +
			"Upgrade: h2c\r\nTrailer: X\r\nProxy-Connection: close\r\nX: y\r\nContent-Length: 0\r\n\r\n", ok + "Content-Length: 0\r\nX: y\r\n\r\n"},
		{"trailer without TE", "GET", ok + "Trailer: X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n",
			ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"framing in the trailer", "GET", ok + "Trailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nContent-Length: 9\r\n\r\n",
			ok + "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"},
		{"several of a name", "GET", ok + "Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n", ok + "Content-Length: 0\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n"},

		// An ambiguous or malformed response becomes a 502.
		{"CL and TE", "GET", ok + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "502 node_failed"},
		{"two CL", "GET", ok + "Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody", "502 node_failed"},
		{"CL list", "GET", ok + "Content-Length: 4, 4\r\n\r\nbody", "502 node_failed"},
		{"TE unknown", "GET", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "502 node_failed"},
		{"TE in HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "502 node_failed"},
		{"bare LF", "GET", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "502 node_failed"},
		{"fold", "GET", ok + "X: a\r\n b\r\nContent-Length: 0\r\n\r\n", "502 node_failed"},
		{"space in front of a colon", "GET", ok + "Content-Length : 0\r\n\r\n", "502 node_failed"},
		{"NUL", "GET", ok + "X: a\x00b\r\nContent-Length: 0\r\n\r\n", "502 node_failed"},
		{"not HTTP", "GET", "hello\r\n", "502 node_failed"},
		{"nothing", "GET", "", "502 node_failed"},
		{"half a header", "GET", ok + "Content-", "502 node_failed"},
		{"half a body", "GET", ok + "Content-Length: 4\r\n\r\nbo", "502 node_failed"},
		{"header of 65 KiB", "GET", ok + "X: " + strings.Repeat("x", 65<<10) + "\r\n\r\n", "502 response_limit"},
		{"upgrade without a request for it", "GET", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "502 node_failed"},
		{"endless 103", "GET", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 20), "502 node_failed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, "", "retry: off", serveRaw(t, responds(row.node)))
			got := sendRaw(t, f.addr, row.method+" /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			if strings.HasPrefix(row.want, "502") {
				for strings.HasPrefix(got, "HTTP/1.1 103 ") {
					_, got, _ = strings.Cut(got, "\r\n\r\n")
				}
				resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(got)), nil)
				if err != nil {
					t.Fatalf("%v in %q", err, got)
				}
				body, _ := io.ReadAll(resp.Body)
				if reason := problemOf(t, resp, string(body)); fmt.Sprint(resp.StatusCode, " ", reason) != row.want {
					t.Errorf("got %q, want %s", got, row.want)
				}
				return
			}
			if got := withoutOwn(got); got != row.want {
				t.Errorf("got  %q\nwant %q", got, row.want)
			}
		})
	}
}

// A 304 keeps its Content-Length over HTTP/2, too, and the reason phrase of one response does not appear in the next.
func TestNotModifiedKeepsItsLength(t *testing.T) {
	a, top := secure(t)
	node := address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "0")
	}))
	f := start(t, top, "", serveRaw(t, responds("HTTP/1.1 304 Same\r\nContent-Length: 1000\r\nContent-Type: text/css\r\n\r\n")))
	for _, h2 := range []bool{false, true} {
		resp, err := secureClient(t, a, h2).Get("https://" + f.addr + "/p")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 304 || resp.Header.Get("Content-Length") != "1000" || resp.Header.Get("Content-Type") != "text/css" {
			t.Errorf("%s: got %s %v", resp.Proto, resp.Status, resp.Header)
		}
	}
	f = startFile(t, fmt.Sprintf("services: {odd: {nodes: [%q]}, good: {nodes: [%q]}}\nroutes: [{path: /odd, to: odd}, {path: /, to: good}]",
		serveRaw(t, responds("HTTP/1.1 200 Odd\r\nContent-Length: 0\r\n\r\n")), node))
	got := sendRaw(t, f.addr, "GET /odd HTTP/1.1\r\nHost: a\r\n\r\nGET /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 200 Odd\r\n") || !strings.Contains(got, "\r\n\r\nHTTP/1.1 200 OK\r\n") {
		t.Errorf("got %q", got)
	}
}

// withoutOwn removes the fields that the server adds to a response: Date, and Connection because the client asked for
// it.
func withoutOwn(response string) string {
	lines := strings.SplitAfter(response, "\r\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool {
		return strings.HasPrefix(l, "Date: ") || strings.HasPrefix(l, "X-Request-Id: ") || l == "Connection: close\r\n"
	}), "")
}

// Trailers, announced or not, reach a client that sends TE: trailers. A trailer stays apart from a header field of
// the same name.
func TestTrailersReachClientsWithTE(t *testing.T) {
	f := start(t, "", "", serveRaw(t, responds("HTTP/1.1 200 OK\r\nX-Sum: header\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"+
		"4\r\nbody\r\n0\r\nX-Sum: trailer\r\nX-More: more\r\n\r\n")))
	got := withoutOwn(sendRaw(t, f.addr, "GET /p HTTP/1.1\r\nHost: a\r\nTE: gzip, trailers\r\nConnection: TE, close\r\n\r\n"))
	head, body, _ := strings.Cut(got, "\r\n\r\n")
	if want := "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nX-Sum: header\r\nTransfer-Encoding: chunked"; head != want {
		t.Errorf("header %q, want %q", head, want)
	}
	const a, b = "X-More: more\r\n", "X-Sum: trailer\r\n"
	if body != "4\r\nbody\r\n0\r\n"+a+b+"\r\n" && body != "4\r\nbody\r\n0\r\n"+b+a+"\r\n" {
		t.Errorf("body %q", body)
	}
}

// The gateway drops the trailer of a request: a node could use fields that no policy has seen.
func TestRequestTrailerIsDropped(t *testing.T) {
	seen := make(chan http.Header, 1)
	f := start(t, "", "", address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		h := r.Trailer.Clone()
		if h == nil {
			h = http.Header{}
		}
		h["Header"] = r.Header["Trailer"]
		seen <- h
	})))
	sendRaw(t, f.addr, "POST /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTrailer: X-Real-Ip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Real-Ip: 6.6.6.6\r\n\r\n")
	if h := receive(t, "the request", seen); len(h) != 1 || len(h["Header"]) > 0 {
		t.Errorf("the node got %v", h)
	}
}

// Early hints are passed on over HTTP/2, too. They are not passed on over HTTP/1.0.
func TestEarlyHints(t *testing.T) {
	a, top := secure(t)
	node := serveRaw(t, responds("HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 0\r\n\r\n"))
	f := start(t, top, "", node)
	var hints []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
		hints = append(hints, fmt.Sprint(status, h["Link"]))
		return nil
	}})
	req, _ := http.NewRequestWithContext(ctx, "GET", "https://"+f.addr+"/p", nil)
	resp, err := secureClient(t, a, true).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.ProtoMajor != 2 || len(hints) != 1 || hints[0] != "103 [</s.css>]" || resp.Header["X"] == nil || resp.Header["Link"] != nil {
		t.Errorf("%s: hints %q, then %v", resp.Proto, hints, resp.Header)
	}
	f = start(t, "", "", node)
	if got := sendRaw(t, f.addr, "GET /p HTTP/1.0\r\nHost: a\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.0 200 OK") || strings.Contains(got, "Link") {
		t.Errorf("HTTP/1.0 got %q", got)
	}
}

// The early hints of a try that fails do not reach the client. Those of the try that succeeds do.
func TestEarlyHintsOfAFailedTry(t *testing.T) {
	const hint = "HTTP/1.1 103 Early Hints\r\nLink: </%d.css>\r\n\r\n"
	var tries atomic.Int32
	node := func() string {
		return serveRaw(t, func(nc net.Conn, _ *http.Request, _ *bufio.Reader) {
			n := tries.Add(1)
			fmt.Fprintf(nc, hint, n)
			if n > 1 {
				io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		})
	}
	f := start(t, "", "", node(), node())
	const want = "HTTP/1.1 103 Early Hints\r\nLink: </2.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	if got := withoutOwn(sendRaw(t, f.addr, "GET /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")); got != want {
		t.Errorf("got %q", got)
	}
	f = start(t, "", "", serveRaw(t, func(nc net.Conn, _ *http.Request, _ *bufio.Reader) { fmt.Fprintf(nc, hint, 1) }))
	if got := sendRaw(t, f.addr, "GET /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 502 ") {
		t.Errorf("after all tries have failed: %q", got)
	}
}

// Without retries, early hints are passed on at once.
func TestEarlyHintsAreEarly(t *testing.T) {
	seen := make(chan bool)
	f := start(t, "", "retry: off", serveRaw(t, func(nc net.Conn, _ *http.Request, _ *bufio.Reader) {
		io.WriteString(nc, "HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n")
		<-seen
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	}))
	nc := dial(t, f.addr)
	io.WriteString(nc, "GET /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	br := bufio.NewReader(nc)
	for _, want := range []int{103, 200} {
		resp, err := http.ReadResponse(br, nil)
		if err != nil || resp.StatusCode != want {
			t.Fatalf("got %v, %v, want %d", resp, err, want)
		}
		if want == 103 {
			close(seen)
		}
	}
}

// Expect: 100-continue reaches the node. When the node refuses the request, the client does not send its body.
func TestExpectContinueRefusedByTheNode(t *testing.T) {
	a, top := secure(t)
	for _, status := range []int{401, 413, 417} {
		saw := make(chan string, 2)
		node := serveRaw(t, func(nc net.Conn, r *http.Request, br *bufio.Reader) {
			fmt.Fprintf(nc, "HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status)
			rest, _ := io.ReadAll(br)
			saw <- fmt.Sprintf("%s %d", r.Header.Get("Expect"), len(rest))
		})
		for _, length := range []int{5, 100 << 10} {
			f := start(t, "", "", node)
			nc := dial(t, f.addr)
			fmt.Fprintf(nc, "POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", length)
			br := bufio.NewReader(nc)
			resp, err := http.ReadResponse(br, nil)
			if err != nil || resp.StatusCode != status {
				t.Errorf("%d, %d bytes: got %v, %v", status, length, resp, err)
			}
			if got := receive(t, "the end of the request", saw); got != "100-continue 0" {
				t.Errorf("%d, %d bytes: the node got %s bytes of the body", status, length, got)
			}
		}

		f := start(t, top, "", node)
		c := dialFrames(t, f.addr, a)
		c.request(t, false, ":method", "POST", ":scheme", "https", ":authority", "a", ":path", "/p", "expect", "100-continue")
		if got := c.response(); got != fmt.Sprint(status, " ") {
			t.Errorf("%d over HTTP/2: got %s", status, got)
		}
		if got := receive(t, "the end of the request", saw); got != "100-continue 0" {
			t.Errorf("%d over HTTP/2: the node got %s bytes of the body", status, got)
		}
	}
}

// A client that sends Expect: 100-continue gets 100 when the node reads the body, and not when the request is refused.
func TestExpectContinue(t *testing.T) {
	f := start(t, "limits: {body_bytes: 1MiB}", "", address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Expect") != "100-continue" {
			t.Error("the node did not see Expect")
		}
		body, err := io.ReadAll(r.Body)
		fmt.Fprint(w, len(body), " ", err)
	})))
	for _, c := range []struct {
		path   string
		length int
		want   string
	}{
		{"/p", 5, "100 200"}, {"/p", 100 << 10, "100 200"}, {"/../p", 5, "400"}, {"/p", 2 << 20, "413"},
	} {
		nc := dial(t, f.addr)
		fmt.Fprintf(nc, "POST %s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", c.path, c.length)
		br := bufio.NewReader(nc)
		var got []string
		for {
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				break
			}
			body, _ := io.ReadAll(resp.Body)
			got = append(got, fmt.Sprint(resp.StatusCode))
			if resp.StatusCode == 100 {
				io.WriteString(nc, strings.Repeat("x", c.length))
			}
			if resp.StatusCode == 200 && string(body) != fmt.Sprint(c.length, " <nil>") {
				t.Errorf("%d bytes: the node responded %q", c.length, body)
			}
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s, %d bytes: got %s, want %s", c.path, c.length, got, c.want)
		}
	}
}

// The client gets each event of a stream before the node writes the next one, and the header before the first event.
func TestServerSentEvents(t *testing.T) {
	a, top := secure(t)
	for proto, top := range map[string]string{"HTTP/1.1": "", "HTTP/2.0": top} {
		t.Run(proto, func(t *testing.T) {
			next := make(chan string)
			f := start(t, top, "", address(serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				rc := http.NewResponseController(w)
				rc.Flush()
				for event := range next {
					fmt.Fprintf(w, "data: %s\n\n", event)
					rc.Flush()
				}
			})))
			c, url := newClient(t), f.url("/p")
			if proto == "HTTP/2.0" {
				c, url = secureClient(t, a, true), "https://"+f.addr+"/p"
			}
			resp, err := c.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.Proto != proto || resp.Header.Get("Content-Type") != "text/event-stream" {
				t.Errorf("%s %v", resp.Proto, resp.Header)
			}
			br := bufio.NewReader(resp.Body)
			for i := range 20 {
				event := fmt.Sprint("event ", i)
				next <- event
				line, err := br.ReadString('\n')
				if err != nil || line != "data: "+event+"\n" {
					t.Fatalf("got %q, %v", line, err)
				}
				br.ReadString('\n')
			}
			close(next)
			if rest, err := io.ReadAll(br); len(rest) > 0 || err != nil {
				t.Errorf("after the last event: %q, %v", rest, err)
			}
		})
	}
}

// TLS chooses HTTP/2 or HTTP/1.1 from the client's offer. The node gets the same request in both cases; a GET over
// HTTP/2 has no body.
func TestTLS(t *testing.T) {
	a, top := secure(t)
	f := start(t, top, "", address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, r.Proto, " ", r.Method, " ", r.RequestURI, " ", r.Host, " ", len(r.TransferEncoding), " ", r.ContentLength, " ", string(body), " ", r.Header["X-Forwarded-Proto"])
	})))
	for _, h2 := range []bool{true, false} {
		c := secureClient(t, a, h2)
		for _, r := range []struct{ method, body, want string }{
			{"GET", "", "HTTP/1.1 GET /p?q " + f.addr + " 0 0  [https]"},
			{"DELETE", "", "HTTP/1.1 DELETE /p?q " + f.addr + " 0 0  [https]"},
			{"POST", "hello", "HTTP/1.1 POST /p?q " + f.addr + " 0 5 hello [https]"},
		} {
			var body io.Reader
			if r.body != "" {
				body = strings.NewReader(r.body)
			}
			req, _ := http.NewRequest(r.method, "https://"+f.addr+"/p?q", body)
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if (resp.ProtoMajor == 2) != h2 || string(got) != r.want {
				t.Errorf("%s: got %q, want %q", resp.Proto, got, r.want)
			}
		}
	}
	// The gateway refuses old versions of TLS, and goes on serving.
	if err := tls.Client(dial(t, f.addr), &tls.Config{RootCAs: a.pool, ServerName: "a", MaxVersion: tls.VersionTLS11}).Handshake(); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
	if resp, err := secureClient(t, a, true).Get("https://" + f.addr + "/p"); err != nil || resp.StatusCode != 200 {
		t.Errorf("after the refused connections: %v, %v", resp, err)
	}
}

// HTTP/2 without TLS is served only when the configuration allows it.
func TestH2COnlyWhenOn(t *testing.T) {
	node := address(serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(tr.CloseIdleConnections)
	c := &http.Client{Transport: tr, Timeout: patience}
	if resp, err := c.Get(start(t, "", "", node).url("/p")); err == nil {
		t.Errorf("off: %s %d", resp.Proto, resp.StatusCode)
	}
	f := start(t, "h2c: on", "", node)
	resp, err := c.Get(f.url("/p"))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.Proto != "HTTP/2.0" || string(body) != "HTTP/1.1" {
		t.Errorf("on: %s, the node saw %s", resp.Proto, body)
	}
	if resp, body := f.get(t, "/p"); resp.Proto != "HTTP/1.1" || body != "HTTP/1.1" {
		t.Errorf("HTTP/1.1 on the same port: %s %q", resp.Proto, body)
	}
}
