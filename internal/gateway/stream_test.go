package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
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

// The timeout ends with the header also for a small response, which the gateway reads whole before it passes it on.
func TestTimeoutDoesNotCoverASmallBody(t *testing.T) {
	f := start(t, "", "timeout: 50ms\nretry: {try_timeout: 50ms}", serveRaw(t, func(nc net.Conn, _ *http.Request, _ *bufio.Reader) {
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndo")
		time.Sleep(200 * time.Millisecond) // the node is slow
		io.WriteString(nc, "ne")
	}))
	if resp, body := f.do(t, "GET", "/p", nil); resp.StatusCode != 200 || body != "done" {
		t.Errorf("got %d %q", resp.StatusCode, body)
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
