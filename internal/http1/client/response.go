package client

import (
	"io"
	"net/http"
	"strings"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// statusLine is the start line of a response of HTTP/1.minor.
type statusLine struct{ status, minor int }

// parseStatusLine reads "HTTP/1.1 200 OK". The reason may be missing together with its space, as some servers do.
func parseStatusLine(line []byte) (s statusLine, ok bool) {
	const prefix = "HTTP/1.x 200"
	if len(line) < len(prefix) || string(line[:7]) != prefix[:7] || line[7]|1 != '1' || line[8] != ' ' {
		return s, false
	}
	s.minor = int(line[7] - '0')
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return s, false
		}
		s.status = s.status*10 + int(c-'0')
	}
	reason := line[12:]
	if s.status < 100 || len(reason) > 0 && (reason[0] != ' ' || !wire.ValidValue(reason)) {
		return s, false
	}
	return s, true
}

// readHead reads until the buffer has a complete response head. It returns its start line and its length.
func (c *Conn) readHead() (line statusLine, n int, err error) {
	c.head.Reset(c.limits)
	for {
		n, v := c.head.Parse(c.buf[c.r:c.w])
		if v != nil {
			return line, 0, c.violated(v)
		}
		if n > 0 {
			line, ok := parseStatusLine(c.head.StartLine(c.buf[c.r:c.w]))
			if !ok {
				return line, 0, &MalformedError{"invalid status line"}
			}
			if v := c.head.CheckFraming(line.minor); v != nil {
				return line, 0, c.violated(v)
			}
			return line, n, nil
		}
		empty := c.r == c.w
		if err := c.fill(); err == io.EOF && empty {
			return line, 0, errPeerClosed
		} else if err == io.EOF {
			return line, 0, io.ErrUnexpectedEOF
		} else if err != nil {
			return line, 0, err
		}
	}
}

// respond returns the response whose head of n octets is in the buffer.
func (m *message) respond(line statusLine, n int) (*http.Response, error) {
	c := m.c
	if m.upload != nil {
		m.upload.decide(false) // a peer that has not asked for the body by now does not want it
	}
	m.setHead(line, n)
	m.keepAlive = c.beginBody(line, m.info.head) && !m.req.Close
	resp := &m.resp
	resp.Close = !m.keepAlive
	resp.ContentLength = c.head.Length
	if !m.info.head && c.body.step == stepDone {
		resp.ContentLength = 0 // for 304, the field describes another response
	}
	if c.head.Chunked {
		resp.TransferEncoding = []string{"chunked"}
		m.declareTrailer()
	}
	if c.body.step == stepDone {
		m.end(true)
		resp.Body = http.NoBody
		return resp, nil
	}
	resp.Body = m
	return resp, nil
}

// setHead fills in the response from its head, and consumes the head.
func (m *message) setHead(line statusLine, n int) {
	c := m.c
	text := string(c.buf[c.r : c.r+n])
	m.resp = http.Response{
		Status:     text[len("HTTP/1.1 "):c.head.StartLineEnd()],
		StatusCode: line.status,
		Proto:      [...]string{"HTTP/1.0", "HTTP/1.1"}[line.minor],
		ProtoMajor: 1,
		ProtoMinor: line.minor,
		Header:     wire.Header(text, c.head.Fields),
		Request:    m.req,
	}
	c.r += n
}

// declareTrailer moves the framing of a chunked response out of its header, as net/http does. It ignores names that
// cannot be trailers.
func (m *message) declareTrailer() {
	h := m.resp.Header
	delete(h, "Transfer-Encoding")
	names, ok := h["Trailer"]
	if !ok {
		return
	}
	delete(h, "Trailer")
	for _, list := range names {
		for name := range strings.SplitSeq(list, ",") {
			if name = wire.TrimOWS(name); !wire.ValidToken(name) || wire.ForbiddenInTrailer(name) {
				continue
			}
			if m.resp.Trailer == nil {
				m.resp.Trailer = http.Header{}
			}
			m.resp.Trailer[wire.CanonicalName(name)] = nil
		}
	}
}

// mergeTrailer adds the trailer section to the response. The section was just parsed and lies in front of c.r.
func (m *message) mergeTrailer() {
	c := m.c
	text := string(c.buf[c.r-c.head.Size() : c.r])
	if m.resp.Trailer == nil {
		m.resp.Trailer = http.Header{}
	}
	for name, values := range wire.Header(text, c.head.Fields) {
		m.resp.Trailer[name] = values
	}
}
