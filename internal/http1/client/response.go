package client

import (
	"io"
	"net/http"
	"strings"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

type statusLine struct{ status, minor int }

// parseStatusLine reads "HTTP/1.1 200 OK". The reason may be missing together with its space, which servers in use do.
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

// readHead reads until a whole response head is in the buffer, and returns its start line and its length.
func (c *Conn) readHead() (line statusLine, n int, err error) {
	c.head.Reset(c.limits)
	for {
		n, f := c.head.Parse(c.buf[c.r:c.w])
		if f != nil {
			return line, 0, &MalformedError{f.Reason}
		}
		if n > 0 {
			line, ok := parseStatusLine(c.head.StartLine(c.buf[c.r:c.w]))
			if !ok {
				return line, 0, &MalformedError{"invalid status line"}
			}
			if f := c.head.CheckFraming(line.minor); f != nil {
				return line, 0, &MalformedError{f.Reason}
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

// respond makes the response of the head that is in the buffer.
func (m *message) respond(line statusLine, n int) (*http.Response, error) {
	c := m.c
	if m.up != nil {
		m.up.answer(false) // a peer that does not ask for the body by now does not want it
	}
	m.fill(line, n)
	m.keep = c.begin(line, m.plan.head) && !m.req.Close
	resp := &m.resp
	resp.Close = !m.keep
	resp.ContentLength = c.head.Length
	if !m.plan.head && c.in.step == stepOver {
		resp.ContentLength = 0 // also for 304, where the field speaks of another response
	}
	if c.head.Chunked {
		resp.TransferEncoding = []string{"chunked"}
		if err := m.declareTrailer(); err != nil {
			return nil, m.fail(Sent, err)
		}
	}
	if c.in.step == stepOver {
		m.end(true)
		resp.Body = http.NoBody
		return resp, nil
	}
	resp.Body = m
	return resp, nil
}

// fill fills in what every response has, and takes its head from the buffer.
func (m *message) fill(line statusLine, n int) {
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

// declareTrailer moves the framing of a chunked response out of its header, as net/http does.
func (m *message) declareTrailer() error {
	h := m.resp.Header
	delete(h, "Transfer-Encoding")
	names, ok := h["Trailer"]
	if !ok {
		return nil
	}
	delete(h, "Trailer")
	for _, list := range names {
		for name := range strings.SplitSeq(list, ",") {
			if name = wire.TrimOWS(name); name == "" {
				continue
			}
			if !wire.ValidToken(name) || wire.ForbiddenInTrailer(name) {
				return &MalformedError{wire.BadTrailer.Reason}
			}
			if m.resp.Trailer == nil {
				m.resp.Trailer = http.Header{}
			}
			m.resp.Trailer[wire.CanonicalName(name)] = nil
		}
	}
	return nil
}

// mergeTrailer is called right after the trailer section was parsed, which lies in front of c.r.
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
