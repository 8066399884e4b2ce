package guard

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// startLine replaces the first line of a response. net/http writes its own reason phrase, and no Content-Length with
// status 304.
type startLine struct {
	prefix []byte // "HTTP/1.1 304 "
	line   []byte // without its last CRLF
}

// SetStartLine makes the response of r to start with a status, a reason phrase, and lines for the fields in extra, which
// net/http would remove. The handler calls it before it writes the header. It has no effect when the response has
// another status, when the phrase is invalid, and over HTTP/2.
func SetStartLine(r *http.Request, status int, phrase string, extra http.Header) {
	c, _ := r.Context().Value(connKey{}).(*conn)
	if c == nil || r.ProtoMajor != 1 || !wire.ValidValue(phrase) {
		return
	}
	prefix := "HTTP/1." + strconv.Itoa(r.ProtoMinor) + " " + strconv.Itoa(status) + " "
	s := &startLine{prefix: []byte(prefix), line: []byte(prefix + phrase)}
	for name, values := range extra {
		for _, v := range values {
			if wire.ValidToken(name) && wire.ValidValue(v) {
				s.line = append(s.line, "\r\n"+name+": "+v...)
			}
		}
	}
	c.start.Store(s)
}

// Write writes to the connection. The start line of a response is at the front of a write, because net/http flushes the
// previous response, and each interim one, to its end.
func (c *conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.noteWrite(p)
	s := c.start.Load()
	if s == nil || !bytes.HasPrefix(p, s.prefix) {
		return c.Conn.Write(p)
	}
	end := bytes.Index(p, []byte("\r\n"))
	if end < 0 {
		return c.Conn.Write(p)
	}
	c.start.Store(nil)
	n, err := c.Conn.Write(append(s.line[:len(s.line):len(s.line)], p[end:]...))
	return max(0, min(len(p), n-len(s.line)+end)), err
}
