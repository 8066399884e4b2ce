package client

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
)

func TestResponses(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	body := strings.Repeat("0123456789", 5000)
	for _, test := range []struct {
		name, method, send string
		status             int
		body               string
		length             int64
		reusable           bool
	}{
		{"length", "GET", ok + "Content-Length: 3\r\n\r\nabc", 200, "abc", 3, true},
		{"empty", "GET", ok + "Content-Length: 0\r\n\r\n", 200, "", 0, true},
		{"large", "GET", ok + "Content-Length: 50000\r\n\r\n" + body, 200, body, 50000, true},
		{"chunked", "GET", ok + "Transfer-Encoding: CHUNKED\r\n\r\n3;x=y\r\nabc\r\n00a\r\n0123456789\r\n0\r\n\r\n", 200, "abc0123456789", -1, true},
		{"framing in the trailer", "GET", ok + "Transfer-Encoding: chunked\r\nTrailer: Content-Length, @\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: 9\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n", 200, "abc", -1, true},
		{"large chunk", "GET", ok + "Transfer-Encoding: chunked\r\n\r\nc350\r\n" + body + "\r\n0\r\n\r\n", 200, body, -1, true},
		{"until close", "GET", ok + "\r\n" + body, 200, body, -1, false},
		{"HEAD with length", "HEAD", ok + "Content-Length: 3\r\n\r\n", 200, "", 3, true},
		{"HEAD chunked", "HEAD", ok + "Transfer-Encoding: chunked\r\n\r\n", 200, "", -1, true},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", 0, true},
		{"204 announces a body", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", 204, "", 0, false},
		{"304 with length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", 304, "", 0, true},
		{"no reason", "GET", "HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n", 299, "", 0, true},
		{"empty reason", "GET", "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n", 299, "", 0, true},
		{"close", "GET", ok + "Connection: close\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", 3, false},
		{"close in a list", "GET", ok + "Connection: x, Close\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", 3, false},
		{"HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", 3, false},
		{"HTTP/1.0 keeps alive", "GET", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", 3, true},
		{"bytes after the body", "GET", ok + "Content-Length: 3\r\n\r\nabcd", 200, "abc", 3, false},
		{"bytes after a head without body", "GET", "HTTP/1.1 304 Not Modified\r\n\r\nx", 304, "", 0, false},
		{"bytes after the last chunk", "GET", ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nx", 200, "", -1, false},
		{"interim", "GET", "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + ok + "Content-Length: 3\r\n\r\nabc", 200, "abc", 3, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := peer(t, reply(test.send))
			resp, body := roundTrip(t, c, request(t, test.method, "http://a/", nil))
			if resp.StatusCode != test.status || body != test.body || resp.ContentLength != test.length {
				t.Errorf("got %s, %d, %.50q", resp.Status, resp.ContentLength, body)
			}
			if c.Reusable() != test.reusable {
				t.Errorf("reusable: %v", c.Reusable())
			}

			c = peer(t, reply(test.send))
			var head Head
			var sink bytes.Buffer
			if err := c.Exchange([]byte(test.method+" / HTTP/1.1\r\n\r\n"), &head, &sink); err != nil {
				t.Fatal(err)
			}
			if head.Status != test.status || sink.String() != test.body || head.BodyBytes != int64(len(test.body)) {
				t.Errorf("exchange: %+v %.50q", head, &sink)
			}
			if head.KeepAlive != test.reusable || c.Reusable() != test.reusable {
				t.Errorf("exchange: keep-alive %v, reusable: %v", head.KeepAlive, c.Reusable())
			}
		})
	}
}

func TestMalformedResponses(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	const chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
	for _, test := range []struct {
		name, send string
		stage      Stage
		want       string
	}{
		{"nothing", "", Sent, "closed the connection before it answered"},
		{"half a head", ok + "Content-", Sent, "unexpected EOF"},
		{"not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", Sent, "invalid status line"},
		{"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", Sent, "invalid status line"},
		{"HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", Sent, "invalid status line"},
		{"status of two digits", "HTTP/1.1 20 OK\r\n\r\n", Sent, "invalid status line"},
		{"status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", Sent, "invalid status line"},
		{"status 099", "HTTP/1.1 099 OK\r\n\r\n", Sent, "invalid status line"},
		{"signed status", "HTTP/1.1 +20 OK\r\n\r\n", Sent, "invalid status line"},
		{"two spaces", "HTTP/1.1  200 OK\r\n\r\n", Sent, "invalid status line"},
		{"control in reason", "HTTP/1.1 200 O\x00K\r\n\r\n", Sent, "invalid status line"},
		{"empty line first", "\r\n" + ok + "\r\n", Sent, "empty line"},
		{"bare LF in status line", "HTTP/1.1 200 OK\n\r\n", Sent, "CRLF"},
		{"bare LF in field", ok + "A: b\n\r\n", Sent, "CRLF"},
		{"bare CR in field", ok + "A: b\rc\r\n\r\n", Sent, "invalid octet in header value"},
		{"NUL in field", ok + "A: b\x00\r\n\r\n", Sent, "invalid octet in header value"},
		{"fold", ok + "A: b\r\n c\r\n\r\n", Sent, "folded"},
		{"space before colon", ok + "A : b\r\n\r\n", Sent, "invalid octet in header name"},
		{"no colon", ok + "A\r\n\r\n", Sent, "without name"},
		{"CL and TE", ok + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Sent, "both"},
		{"equal CLs", ok + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", Sent, "more than one Content-Length"},
		{"CL list", ok + "Content-Length: 0, 0\r\n\r\n", Sent, "invalid Content-Length"},
		{"negative CL", ok + "Content-Length: -1\r\n\r\n", Sent, "invalid Content-Length"},
		{"huge CL", ok + "Content-Length: 9223372036854775808\r\n\r\n", Sent, "invalid Content-Length"},
		{"TE gzip", ok + "Transfer-Encoding: gzip\r\n\r\n", Sent, "last transfer coding is not chunked"},
		{"TE gzip, chunked", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n", Sent, "unknown transfer coding"},
		{"TE chunked, gzip", ok + "Transfer-Encoding: chunked, gzip\r\n\r\n", Sent, "last transfer coding is not chunked"},
		{"TE twice", ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", Sent, "Transfer-Encoding is not one"},
		{"TE in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Sent, "HTTP/1.0"},
		{"TE in 304", "HTTP/1.1 304 No\r\nTransfer-Encoding: x\r\n\r\n", Sent, "last transfer coding is not chunked"},
		{"many lines", ok + strings.Repeat("A: b\r\n", 257) + "\r\n", Sent, "too many header lines"},
		{"large head", ok + "A: " + strings.Repeat("b", 64<<10) + "\r\n\r\n", Sent, "header too large"},
		{"unexpected 101", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", Sent, "unexpected"},
		{"endless interims", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 17), Sent, "interim"},

		{"short body", ok + "Content-Length: 3\r\n\r\nab", Answered, "unexpected EOF"},
		{"short large body", ok + "Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 50_000), Answered, "unexpected EOF"},
		{"no last chunk", chunked + "1\r\na\r\n", Answered, "unexpected EOF"},
		{"no trailer end", chunked + "0\r\n", Answered, "unexpected EOF"},
		{"chunk size", chunked + "g\r\n", Answered, "invalid chunk size"},
		{"chunk size with space", chunked + "1 \r\na\r\n0\r\n\r\n", Answered, "invalid chunk size"},
		{"chunk size overflow", chunked + "fffffffffffffffff\r\n", Answered, "invalid chunk size"},
		{"chunk end", chunked + "1\r\nab\r\n0\r\n\r\n", Answered, "chunk does not end"},
		{"chunk LF", chunked + "1\na\r\n0\r\n\r\n", Answered, "CRLF"},
		{"long chunk line", chunked + "1;" + strings.Repeat("x", 2000) + "\r\na\r\n0\r\n\r\n", Answered, "chunk-size line too long"},
		{"trailer fold", chunked + "0\r\nA: b\r\n c\r\n\r\n", Answered, "folded"},
		{"large trailer", chunked + "0\r\nA: " + strings.Repeat("b", 5000) + "\r\n\r\n", Answered, "header too large"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := peer(t, reply(test.send))
			resp, err := c.RoundTrip(request(t, "GET", "http://a/", nil))
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				if again, err2 := resp.Body.Read(make([]byte, 1)); again != 0 || err2 != err {
					t.Errorf("next read: %d, %v", again, err2)
				}
				resp.Body.Close()
			}
			checkFailed(t, c, err, test.stage, test.want)

			c = peer(t, reply(test.send))
			err = c.Exchange([]byte("GET / HTTP/1.1\r\n\r\n"), new(Head), nil)
			checkFailed(t, c, err, test.stage, test.want)
		})
	}
}

func TestHeadersKeepTheirOrderAndCase(t *testing.T) {
	c := peer(t, reply("HTTP/1.1 200 OK\r\nset-cookie: a\r\nX-NEW-ONE:\tb c \r\nSet-Cookie: d\r\nETAG: e\r\nempty:\r\nContent-Length: 0\r\n\r\n"))
	resp, _ := roundTrip(t, c, request(t, "GET", "http://a/", nil))
	want := http.Header{"Set-Cookie": {"a", "d"}, "X-New-One": {"b c"}, "Etag": {"e"}, "Empty": {""}, "Content-Length": {"0"}}
	if fmt.Sprint(resp.Header) != fmt.Sprint(want) {
		t.Errorf("got %v", resp.Header)
	}
	resp.Header.Add("X-New-One", "added")
	if resp.Header.Get("Etag") != "e" {
		t.Error("adding to a field changed the next one")
	}
}

func TestTrailersBothWays(t *testing.T) {
	c, url := dial(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Declared")
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
		w.Header().Set("Declared", r.Trailer.Get("Sum"))
		w.Header().Set(http.TrailerPrefix+"Surprise", "yes")
	})
	req := request(t, "POST", url, io.MultiReader(strings.NewReader("hello")))
	req.Trailer = http.Header{"Sum": {"42"}}
	resp, err := c.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := resp.Trailer["Declared"]; !ok || len(resp.Header["Trailer"]) > 0 || len(resp.Header["Transfer-Encoding"]) > 0 {
		t.Errorf("before reading the body: header %v, trailer %v", resp.Header, resp.Trailer)
	}
	body, err := io.ReadAll(resp.Body)
	if string(body) != "hello" || err != nil || resp.Trailer.Get("Declared") != "42" || resp.Trailer.Get("Surprise") != "yes" {
		t.Errorf("%q, %v, trailer %v", body, err, resp.Trailer)
	}
	if !c.Reusable() {
		t.Error("not reusable")
	}
}

func TestCloseOfUnreadBody(t *testing.T) {
	for name, test := range map[string]struct {
		send     string
		read     int
		reusable bool
	}{
		"rest has arrived":         {"Content-Length: 6\r\n\r\nabcdef", 1, true},
		"chunked rest has arrived": {"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nA: b\r\n\r\n", 1, true},
		"rest is missing":          {"Content-Length: 7\r\n\r\nabcdef", 1, false},
		"last chunk missing":       {"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 1, false},
		"rest is malformed":        {"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", 1, false},
		"until close":              {"\r\nabc", 1, false},
		"exactly read":             {"Content-Length: 3\r\n\r\nabc", 3, true},
		"chunks exactly read":      {"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := peer(t, func(nc net.Conn, br *bufio.Reader) {
				readHead(br)
				io.WriteString(nc, "HTTP/1.1 200 OK\r\n"+test.send)
				br.ReadByte()
			})
			resp, err := c.RoundTrip(request(t, "GET", "http://a/", nil))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(resp.Body, make([]byte, test.read)); err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if c.Reusable() != test.reusable {
				t.Errorf("reusable: %v", c.Reusable())
			}
			if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("read after close: %d, %v", n, err)
			}
			resp.Body.Close()
		})
	}
}

func TestInterimResponsesAreDelivered(t *testing.T) {
	c := peer(t, reply("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	var got []string
	var stop error
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			got = append(got, fmt.Sprint(code, h))
			return stop
		},
	})
	roundTrip(t, c, request(t, "GET", "http://a/", nil).WithContext(ctx))
	if fmt.Sprint(got) != "[103 map[Link:[</a>]] 102 map[]]" {
		t.Errorf("got %v", got)
	}
	stop = errors.New("enough")
	c = peer(t, reply("HTTP/1.1 103 Early Hints\r\n\r\n"))
	_, err := c.RoundTrip(request(t, "GET", "http://a/", nil).WithContext(ctx))
	checkFailed(t, c, err, Sent, "enough")
}
