package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestConnectionIsReused(t *testing.T) {
	addresses := map[string]bool{}
	c, url := dial(t, func(w http.ResponseWriter, r *http.Request) {
		addresses[r.RemoteAddr] = true
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Path", r.URL.RequestURI())
		if r.URL.Path == "/chunked" {
			w.(http.Flusher).Flush()
		}
		w.Write([]byte(r.Method + " "))
		w.Write(body)
	})
	large := strings.Repeat("large ", 100_000)
	for _, test := range []struct {
		method, path string
		body         io.Reader
		want         string
	}{
		{"GET", "/a?b=c%20d", nil, "GET "},
		{"POST", "/small", strings.NewReader("in memory"), "POST in memory"},
		{"POST", "/large", strings.NewReader(large), "POST " + large},
		{"PUT", "/chunked", io.MultiReader(strings.NewReader("strea"), strings.NewReader("med")), "PUT streamed"},
		{"POST", "/large", io.MultiReader(strings.NewReader(large)), "POST " + large},
		{"POST", "/none", nil, "POST "},
		{"HEAD", "/a", nil, ""},
		{"GET", "/chunked", nil, "GET "},
	} {
		resp, body := roundTrip(t, c, request(t, test.method, url+test.path, test.body))
		if body != test.want || resp.StatusCode != 200 || resp.Header.Get("X-Path") != test.path {
			t.Errorf("%s %s: %s %.50q (%d bytes)", test.method, test.path, resp.Status, body, len(body))
		}
		if !c.Reusable() || c.Stale() {
			t.Fatalf("%s %s: reusable %v, stale %v", test.method, test.path, c.Reusable(), c.Stale())
		}
		if c.buf != nil {
			t.Errorf("%s %s: the idle connection has a buffer", test.method, test.path)
		}
	}
	if len(addresses) != 1 {
		t.Errorf("%d connections", len(addresses))
	}
}

func TestCancellation(t *testing.T) {
	reason := errors.New("stopped by the operator")
	check := func(t *testing.T, c *Conn, err error, stage Stage) {
		t.Helper()
		checkFailed(t, c, err, stage, "stopped by the operator")
		if !errors.Is(err, reason) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	t.Run("before", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(reason)
		c, url := dial(t, func(w http.ResponseWriter, r *http.Request) {})
		_, err := c.RoundTrip(request(t, "GET", url, nil).WithContext(ctx))
		if !errors.Is(err, reason) || !c.Reusable() {
			t.Errorf("got %v, reusable %v", err, c.Reusable())
		}
	})
	t.Run("waiting for the head", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		c := peer(t, func(nc net.Conn, br *bufio.Reader) {
			readHead(br)
			cancel(reason)
			br.ReadByte()
		})
		_, err := c.RoundTrip(request(t, "GET", "http://a/", nil).WithContext(ctx))
		check(t, c, err, Sent)
	})
	t.Run("in the body", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		c := peer(t, func(nc net.Conn, br *bufio.Reader) {
			readHead(br)
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc")
			br.ReadByte()
		})
		resp, err := c.RoundTrip(request(t, "GET", "http://a/", nil).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		io.ReadFull(resp.Body, make([]byte, 3))
		cancel(reason)
		_, err = io.ReadAll(resp.Body)
		check(t, c, err, Answered)
	})
	t.Run("in the upload", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		c := peer(t, func(nc net.Conn, br *bufio.Reader) {
			readHead(br)
			cancel(reason)
			<-t.Context().Done() // reads nothing
		})
		body := recordClose(endless{})
		_, err := c.RoundTrip(request(t, "POST", "http://a/", body).WithContext(ctx))
		check(t, c, err, Sent)
		<-body.closed
	})
	t.Run("after the end", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		c, url := dial(t, func(w http.ResponseWriter, r *http.Request) {})
		roundTrip(t, c, request(t, "GET", url, nil).WithContext(ctx))
		cancel(reason)
		if !c.Reusable() {
			t.Error("not reusable")
		}
		roundTrip(t, c, request(t, "GET", url, nil))
	})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, reason)
		defer cancel()
		c := peer(t, func(nc net.Conn, br *bufio.Reader) { readHead(br); br.ReadByte() })
		_, err := c.RoundTrip(request(t, "GET", "http://a/", nil).WithContext(ctx))
		if !errors.Is(err, reason) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("by Close", func(t *testing.T) {
		c := peer(t, readOnly)
		go c.Close()
		_, err := c.RoundTrip(request(t, "GET", "http://a/", nil))
		if !errors.Is(err, net.ErrClosed) && !errors.Is(err, errNotReusable) || c.Reusable() {
			t.Errorf("got %v", err)
		}
	})
}

func TestStages(t *testing.T) {
	c := peer(t, readOnly)
	c.nc.Close()
	_, err := c.RoundTrip(request(t, "GET", "http://a/", nil))
	checkFailed(t, c, err, NotSent, "")

	c = peer(t, readOnly)
	c.nc.Close()
	body := recordClose(strings.NewReader("x"))
	_, err = c.RoundTrip(request(t, "POST", "http://a/", body))
	checkFailed(t, c, err, NotSent, "")
	<-body.closed

	c = peer(t, func(nc net.Conn, br *bufio.Reader) { br.ReadByte() })
	_, err = c.RoundTrip(request(t, "GET", "http://a/", nil))
	checkFailed(t, c, err, Sent, "")
	_, err = c.RoundTrip(request(t, "GET", "http://a/", nil))
	checkFailed(t, c, err, NotSent, "cannot carry another message")
}

func TestStale(t *testing.T) {
	const empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	becomes := func(name, after string, closes bool) {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			c := peer(t, func(nc net.Conn, br *bufio.Reader) {
				readHead(br)
				io.WriteString(nc, empty)
				<-release
				io.WriteString(nc, after)
				if !closes {
					br.ReadByte()
				}
			})
			roundTrip(t, c, request(t, "GET", "http://a/", nil))
			if c.Stale() || !c.Reusable() {
				t.Fatal("stale before the peer did anything")
			}
			close(release)
			for !c.Stale() { // until the packet arrives
				time.Sleep(time.Millisecond)
			}
			if !c.Reusable() {
				t.Error("Stale changed the result of Reusable")
			}
		})
	}
	becomes("closed", "", true)
	becomes("unexpected bytes", "HTTP/1.1 408 Timeout\r\n\r\n", false)
}
