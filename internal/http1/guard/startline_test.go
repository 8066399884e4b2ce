package guard

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A start line applies to the next response with its status, and to no other one.
func TestSetStartLine(t *testing.T) {
	addr := guardedServer(t, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/odd":
			SetStartLine(r, 404, "Odd", nil)
			w.WriteHeader(404)
		case "/other": // the handler answers with another status
			SetStartLine(r, 404, "Odd", nil)
		case "/304":
			SetStartLine(r, 304, "Same", http.Header{"Content-Length": {"5"}, "Bad Name": {"x"}, "Bad": {"x\r\ny"}})
			w.WriteHeader(304)
		case "/early":
			SetStartLine(r, 404, "Odd", nil)
			w.WriteHeader(103)
			w.WriteHeader(404)
		case "/invalid":
			SetStartLine(r, 404, "Odd\r\nX: y", nil)
			w.WriteHeader(404)
		case "/large": // longer than the server's buffer
			SetStartLine(r, 404, strings.Repeat("x", 5000), nil)
			w.Header().Set("X", strings.Repeat("y", 5000))
			w.WriteHeader(404)
		default:
			w.WriteHeader(404)
		}
	}))
	for _, row := range []struct{ path, want string }{
		{"/odd", "404 Odd"}, {"/other", "200 OK"}, {"/", "404 Not Found"}, {"/invalid", "404 Not Found"}, {"/304", "304 Same\r\nContent-Length: 5\r\n"},
		{"/early", "103 Early Hints\r\n\r\nHTTP/1.1 404 Odd"}, {"/large", "404 " + strings.Repeat("x", 5000)},
	} {
		got := rawExchange(t, addr, "GET /other HTTP/1.1\r\nHost: a\r\n\r\nGET "+row.path+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		_, got, _ = strings.Cut(got, "\r\n\r\n") // the response to /other
		if !strings.HasPrefix(got, "HTTP/1.1 "+row.want) || strings.Contains(got, "Bad") {
			t.Errorf("%s: got %.200q, want %.200q", row.path, got, row.want)
		}
	}
}

// rawExchange sends bytes and returns everything that comes back.
func rawExchange(t testing.TB, addr, send string) string {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(nc, send)
	got, _ := io.ReadAll(nc)
	return string(got)
}
