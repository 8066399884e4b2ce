package gateway

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A client that disconnects during a response frees the node at once, and the record says so.
func TestClientDisconnectsDuringTheResponse(t *testing.T) {
	left := make(chan error, 1)
	f := start(t, "", "", address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "some")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		left <- r.Context().Err()
	})))
	nc := dial(t, f.addr)
	io.WriteString(nc, "GET /p HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Read(make([]byte, 4))
	nc.Close()
	receive(t, "the node's request to be cancelled", left)
	if rec := f.access.wait(t, 1)[0]; rec["status"] != int64(200) || rec["reason"] != "client_gone" {
		t.Errorf("record %v", rec)
	}
	await(t, "the node is free", func() bool { return f.InFlight("shop-1") == 0 })
	if n := f.Nodes("shop")[0].Failures; n != 0 {
		t.Errorf("the node has %d failures", n)
	}
}

// A client that disconnects before the response is recorded as 499, and the node's request is cancelled.
func TestClientDisconnectsBeforeTheResponse(t *testing.T) {
	for name, send := range map[string]string{
		"GET":          "GET /p HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST":         "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nsome",
		"half a POST":  "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nsome",
		"half chunked": beginChunked + chunk("some"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived, left := make(chan bool, 1), make(chan bool, 1)
			f := start(t, "", "", address(serve(t, func(w http.ResponseWriter, r *http.Request) {
				arrived <- true
				io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
				left <- true
			})))
			nc := dial(t, f.addr)
			io.WriteString(nc, send)
			receive(t, "the request to arrive", arrived)
			nc.Close()
			receive(t, "the node's request to be cancelled", left)
			if rec := f.access.wait(t, 1)[0]; rec["status"] != int64(499) || rec["reason"] != "client_gone" {
				t.Errorf("record %v", rec)
			}
			if s := f.Nodes("shop")[0]; s.Failures != 0 || s.Requests != 1 {
				t.Errorf("the node has %d requests and %d failures", s.Requests, s.Failures)
			}
		})
	}
}

// A response that the node does not finish never looks complete to the client. (HTTP/1.0 is the exception: there, a
// response of unknown length ends with the connection, for any reason.)
func TestNodeDoesNotFinishItsResponse(t *testing.T) {
	a, top := secure(t)
	big := strings.Repeat("x", 40<<10)
	for name, text := range map[string]string{
		"length":                   "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + big,
		"chunked":                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(big),
		"within a chunk":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nxxxx",
		"bad chunk":                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("x") + "+1\r\nx\r\n0\r\n\r\n",
		"without last chunk":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("x"),
		"within the trailer":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("x") + "0\r\nX: y",
		"folded line in a trailer": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("x") + "0\r\nX: y\r\n z\r\n\r\n",
	} {
		for _, proto := range []string{"HTTP/1.1", "HTTP/2"} {
			t.Run(name+"/"+proto, func(t *testing.T) {
				t.Parallel()
				addr := serveRaw(t, responds(text))
				c, url := newClient(t), "http://"
				var f *front
				if proto == "HTTP/2" {
					f, c, url = start(t, top, "", addr), secureClient(t, a, true), "https://"
				} else {
					f = start(t, "", "", addr)
				}
				resp, err := c.Get(url + f.addr + "/p")
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if body, err := io.ReadAll(resp.Body); err == nil {
					t.Errorf("the response looked complete: %d, %d bytes", resp.StatusCode, len(body))
				}
				if rec := f.access.wait(t, 1)[0]; rec["status"] != int64(200) || rec["reason"] != "answer_broken" {
					t.Errorf("record %v", rec)
				}
			})
		}
	}
}

// A response that is shorter than its length never looks complete. Bytes behind the length are never read as the
// response to another request.
func TestResponseOfWrongLength(t *testing.T) {
	const fake = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	says := map[string]string{
		"/long":  "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood" + fake,
		"/short": "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\ngood",
		"/head":  "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood",
		"/empty": "HTTP/1.1 204 No Content\r\n\r\n" + fake,
		"/next":  "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nreal",
	}
	f := start(t, "", "breaker: off\noutlier: off", serveRaw(t, func(nc net.Conn, r *http.Request, br *bufio.Reader) {
		for err := error(nil); err == nil; r, err = http.ReadRequest(br) {
			io.WriteString(nc, says[r.URL.Path])
			if r.URL.Path == "/short" {
				return
			}
		}
	}))
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/long", 200, "good"}, {"HEAD", "/head", 200, ""}, {"DELETE", "/empty", 204, ""},
		{"POST", "/short", 502, "node_failed"},
	} {
		resp, body := f.do(t, c.method, c.path, nil)
		if resp.StatusCode >= 500 {
			body = problemOf(t, resp, body)
		}
		if resp.StatusCode != c.status || body != c.body {
			t.Errorf("%s %s: %d %q", c.method, c.path, resp.StatusCode, body)
		}
		if _, body := f.get(t, "/next"); body != "real" {
			t.Errorf("after %s %s, the next response was %q", c.method, c.path, body)
		}
	}
}

// The gateway closes the connection of a client that does not read its response for the write timeout.
func TestClientThatDoesNotRead(t *testing.T) {
	f := start(t, "limits: {write_timeout: 1s}", "", address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 64<<10)
		for {
			if _, err := w.Write(buf); err != nil {
				return
			}
		}
	})))
	nc := dial(t, f.addr)
	nc.(*net.TCPConn).SetReadBuffer(4 << 10)
	io.WriteString(nc, "GET /p HTTP/1.1\r\nHost: a\r\n\r\n")
	if rec := f.access.wait(t, 1)[0]; rec["reason"] == nil || rec["err"] == nil {
		t.Errorf("record %v", rec)
	}
	await(t, "the node is free", func() bool { return f.InFlight("shop-1") == 0 })
}

// A request leaves no goroutine behind. The number of kept connections to the node is bounded.
func TestRequestsLeaveNoGoroutinesBehind(t *testing.T) {
	f := start(t, "", "", address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/early" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		sum, _ := sumOf(r.Body)
		io.WriteString(w, sum)
	})))
	tr := &http.Transport{}
	c := &http.Client{Transport: tr, Timeout: patience}
	one := func(i int) {
		var body io.Reader
		path := "/p"
		switch i % 4 {
		case 1:
			body = strings.NewReader("small")
		case 2:
			body = io.LimitReader(zeros{}, 100<<10)
		case 3:
			path, body = "/early", io.LimitReader(zeros{}, 1<<20)
		}
		req, _ := http.NewRequest("POST", f.url(path), body)
		resp, err := c.Do(req)
		if err != nil {
			var op *net.OpError // the client may find that its upload is not read before it sees the response
			if path == "/early" && errors.As(err, &op) {
				return
			}
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	settle := func() int {
		tr.CloseIdleConnections()
		n := runtime.NumGoroutine()
		for range 200 { // both sides close their connections
			time.Sleep(time.Millisecond)
			n = min(n, runtime.NumGoroutine())
		}
		return n
	}
	for i := range 20 {
		one(i)
	}
	before := settle()
	for i := range 400 {
		one(i)
	}
	var after int
	await(t, "the goroutines have ended", func() bool { after = settle(); return after <= before+5 })
	t.Logf("%d goroutines before, %d after", before, after)
}
