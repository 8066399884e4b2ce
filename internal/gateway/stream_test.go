package gateway

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// chunk returns data as one chunk.
func chunk(data string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(data), data) }

const (
	beginChunked = "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	endChunked   = "0\r\n\r\n"
)

// echo responds with each piece of the body when it arrives.
func echo(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	rc.EnableFullDuplex()
	rc.Flush()
	buf := make([]byte, 4<<10)
	for {
		n, err := r.Body.Read(buf)
		w.Write(buf[:n])
		rc.Flush()
		if err == io.EOF {
			return
		} else if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// A request and its response may be in progress at the same time: the client gets each piece back before it sends the
// next.
func TestFullDuplexOverHTTP1(t *testing.T) {
	f := start(t, "", "", address(serve(t, echo)))
	nc := dial(t, f.addr)
	io.WriteString(nc, beginChunked)
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	var all string
	buf := make([]byte, 100)
	for i := range 50 {
		piece := fmt.Sprintf("piece %d.", i)
		io.WriteString(nc, chunk(piece))
		if _, err := io.ReadFull(resp.Body, buf[:len(piece)]); err != nil || string(buf[:len(piece)]) != piece {
			t.Fatalf("piece %d: got %q, %v", i, buf[:len(piece)], err)
		}
		all += piece
	}
	io.WriteString(nc, endChunked)
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("after the last piece: %q, %v", rest, err)
	}
	if !resp.Close {
		t.Error("a response that started before the end of its request did not close the connection")
	}
	if rec := f.access.wait(t, 1)[0]; rec["bytes"] != int64(len(all)) || rec["reason"] != nil {
		t.Errorf("record %v", rec)
	}
}

// A node that responds early still gets every byte of the request.
func TestEarlyResponseLosesNoByteOfTheUpload(t *testing.T) {
	const size = 300 << 10 // more than net/http reads ahead
	for _, framing := range []string{"length", "chunked"} {
		t.Run(framing, func(t *testing.T) {
			f := start(t, "", "", address(serve(t, func(w http.ResponseWriter, r *http.Request) {
				rc := http.NewResponseController(w)
				rc.EnableFullDuplex()
				rc.Flush()
				sum, err := sumOf(r.Body)
				fmt.Fprint(w, sum, " ", err)
			})))
			body := &pattern{left: size}
			want, _ := sumOf(&pattern{left: size})
			nc := dial(t, f.addr)
			br := bufio.NewReader(nc)
			if framing == "length" {
				fmt.Fprintf(nc, "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", size)
			} else {
				io.WriteString(nc, beginChunked)
			}
			resp, err := http.ReadResponse(br, nil) // before any of the body
			if err != nil {
				t.Fatal(err)
			}
			piece := make([]byte, 10<<10)
			for {
				n, err := io.ReadFull(body, piece)
				if n == 0 || err != nil && err != io.ErrUnexpectedEOF {
					break
				}
				if framing == "length" {
					nc.Write(piece[:n])
				} else {
					io.WriteString(nc, chunk(string(piece[:n])))
				}
			}
			if framing == "chunked" {
				io.WriteString(nc, endChunked)
			}
			if got, err := io.ReadAll(resp.Body); string(got) != want+" <nil>" || err != nil {
				t.Errorf("the node got %q, %v; want %q", got, err, want)
			}
		})
	}
}

// pattern reads as left bytes without repetition.
type pattern struct {
	at   uint32
	left int
}

func (p *pattern) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n := min(len(b), p.left)
	for i := range n {
		b[i] = byte(p.at * 2654435761 >> 24)
		p.at++
	}
	p.left -= n
	return n, nil
}

// sumOf reads all of r and returns its length and a checksum.
func sumOf(r io.Reader) (string, error) {
	var n, sum uint64
	buf := make([]byte, 32<<10)
	for {
		k, err := r.Read(buf)
		for _, c := range buf[:k] {
			sum = sum*31 + uint64(c)
		}
		n += uint64(k)
		if err == io.EOF {
			err = nil
		} else if err == nil {
			continue
		}
		return fmt.Sprintf("%d bytes %x", n, sum), err
	}
}

// A node may refuse an upload as soon as it has read the header. The client gets the response before it has sent the
// rest of the body, and the slot of the node becomes free.
func TestEarlyRefusalReachesAClientThatStalls(t *testing.T) {
	for name, send := range map[string]string{
		"length":           "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nsome",
		"small length":     "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nsome",
		"chunked":          beginChunked + chunk("some"),
		"chunked, nothing": beginChunked,
	} {
		for size, text := range map[string]string{"small": "no", "large": strings.Repeat("no", 50<<10)} {
			t.Run(name+"/"+size, func(t *testing.T) {
				t.Parallel()
				f := start(t, "limits: {body_rate: 0}", "", serveRaw(t, func(nc net.Conn, r *http.Request, _ *bufio.Reader) {
					fmt.Fprintf(nc, "HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
					io.Copy(io.Discard, nc) // until the gateway closes the connection
				}))
				if got := sendRaw(t, f.addr, send); !strings.HasPrefix(got, "HTTP/1.1 401") || !strings.HasSuffix(got, "\r\n\r\n"+text) ||
					!strings.Contains(got, "Connection: close\r\n") {
					t.Errorf("got %d bytes: %.200q", len(got), got)
				}
				await(t, "the node is free", func() bool { return f.InFlight("shop-1") == 0 })
			})
		}
	}
}

// The same for a client that sends the whole body before it reads the response.
func TestEarlyRefusalOfALargeUpload(t *testing.T) {
	f := start(t, "", "", address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		io.WriteString(w, "too much")
	})))
	for range 5 {
		resp, body := f.do(t, "POST", "/p", io.LimitReader(&pattern{left: 20 << 20}, 20<<20))
		if resp.StatusCode != 413 || body != "too much" {
			t.Errorf("got %d %q", resp.StatusCode, body)
		}
	}
}

// When a node fails while the client pauses its upload, the client gets the response at once.
func TestNodeFailsWhileTheClientPauses(t *testing.T) {
	f := start(t, "limits: {body_rate: 0}", "", serveRaw(t, func(nc net.Conn, r *http.Request, _ *bufio.Reader) {
		r.Body.Read(make([]byte, 4))
	}))
	got := sendRaw(t, f.addr, beginChunked+chunk("some"))
	if !strings.HasPrefix(got, "HTTP/1.1 502 ") || !strings.Contains(got, `"reason":"node_failed"`) {
		t.Errorf("got %q", got)
	}
}

// The timeout for a response's header ends with the header, even when the request's body ends later.
func TestTimeoutEndsWithTheHeader(t *testing.T) {
	release := make(chan struct{})
	f := start(t, "", "timeout: 50ms", address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex()
		rc.Flush()
		io.Copy(io.Discard, r.Body)
		<-release
		io.WriteString(w, "done")
	})))
	nc := dial(t, f.addr)
	io.WriteString(nc, beginChunked)
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(nc, chunk("some")+endChunked)
	time.AfterFunc(200*time.Millisecond, func() { close(release) }) // long after the timeout, which must have no effect
	if got, err := io.ReadAll(resp.Body); string(got) != "done" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// A node that does not read a body runs into the timeout. The time that the client takes does not count.
func TestNodeThatDoesNotReadTheBody(t *testing.T) {
	t.Run("never", func(t *testing.T) {
		hang := make(chan bool)
		defer close(hang)
		f := start(t, "", "timeout: 200ms", serveRaw(t, func(nc net.Conn, r *http.Request, br *bufio.Reader) {
			nc.(*net.TCPConn).SetReadBuffer(4 << 10)
			<-hang
		}))
		resp, body := f.do(t, "PUT", "/p", &pattern{left: 50 << 20})
		if reason := problemOf(t, resp, body); resp.StatusCode != 504 || reason != "timeout" {
			t.Errorf("got %d %s", resp.StatusCode, reason)
		}
	})
	t.Run("a slow client", func(t *testing.T) {
		f := start(t, "", "timeout: 200ms", sink(t))
		nc := dial(t, f.addr)
		io.WriteString(nc, beginChunked)
		for range 5 {
			io.WriteString(nc, chunk("some"))
			time.Sleep(100 * time.Millisecond) // the client is slow
		}
		io.WriteString(nc, endChunked)
		if resp, err := http.ReadResponse(bufio.NewReader(nc), nil); err != nil || resp.StatusCode != 200 || resp.Header.Get("X-Got") != "20" {
			t.Errorf("got %v, %v", resp, err)
		}
	})
}

// The gateway streams large bodies: 100 MB in each direction need little memory.
func TestLargeBodiesInLittleMemory(t *testing.T) {
	a, top := secure(t)
	plain, tls := start(t, "", "", sink(t)), start(t, top, "", sink(t))
	for _, c := range []struct {
		name   string
		client *http.Client
		url    string
		size   int
		length int64
	}{
		{"HTTP/1.1 by length", newClient(t), plain.url("/"), 100_000_000, 100_000_000},
		{"HTTP/1.1 in chunks", newClient(t), plain.url("/"), 100_000_000, -1},
		{"HTTP/2", secureClient(t, a, true), "https://" + tls.addr, 50_000_000, 50_000_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			runtime.GC()
			before := heap()
			var peak uint64
			req, _ := http.NewRequest("POST", c.url, &watched{c.size, &peak})
			req.ContentLength = c.length
			resp, err := c.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got := resp.Header.Get("X-Got"); got != fmt.Sprint(c.size) {
				t.Errorf("the node got %s bytes", got)
			}
			for left := c.size; left > 0; left -= 10_000_000 {
				if _, err := io.CopyN(io.Discard, resp.Body, 10_000_000); err != nil {
					t.Fatal(err)
				}
				peak = max(peak, heap())
			}
			if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("after the last byte: %d bytes, %v", n, err)
			}
			t.Logf("heap of client, gateway and node: %d KiB at most, %d KiB before", peak>>10, before>>10)
			if peak > before+32<<20 {
				t.Errorf("the heap grew from %d to %d bytes during 2 x %d bytes", before, peak, c.size)
			}
		})
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// watched reads as left zeros, and measures the heap during the reads.
type watched struct {
	left int
	peak *uint64
}

func (w *watched) Read(p []byte) (int, error) {
	n := min(len(p), w.left)
	if n == 0 {
		return 0, io.EOF
	}
	if w.left/10_000_000 != (w.left-n)/10_000_000 {
		*w.peak = max(*w.peak, heap())
	}
	w.left -= n
	return n, nil
}

// sink starts a node that reads the whole body and responds with a body of the same length.
func sink(t testing.TB) string {
	return address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("X-Got", fmt.Sprint(n))
		if r.ContentLength > 0 {
			w.Header().Set("Content-Length", fmt.Sprint(n))
		}
		io.CopyN(w, zeros{}, n)
	}))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

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
		"length":               "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + big,
		"chunked":              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(big),
		"within a chunk":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nxxxx",
		"bad chunk":            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("x") + "+1\r\nx\r\n0\r\n\r\n",
		"without last chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("x"),
		"within the trailer":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("x") + "0\r\nX: y",
		"framing in a trailer": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("x") + "0\r\nContent-Length: 1\r\n\r\n",
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
