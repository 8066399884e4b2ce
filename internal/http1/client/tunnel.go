package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
)

// switchProtocols returns the response 101, whose body is the connection.
func (m *message) switchProtocols(line statusLine, n int) (*http.Response, error) {
	c := m.c
	if !m.info.upgrade || !c.head.Upgrade {
		return nil, m.fail(Sent, &MalformedError{"unexpected switch of protocols"})
	}
	m.setHead(line, n)
	m.keepAlive = false
	rest := append([]byte(nil), c.buf[c.r:c.w]...)
	c.r = c.w
	if m.stopWatch != nil && !m.stopWatch() {
		m.stopWatch = nil
		return nil, m.fail(Sent, errors.New("interrupted"))
	}
	m.ended = true
	c.busy, c.broken = false, true
	c.releaseBuffers()
	m.resp.Body = &tunnel{c: c, rest: rest}
	return &m.resp, nil
}

// tunnel is the connection after a switch of protocols. One goroutine may read while another one writes.
type tunnel struct {
	c    *Conn
	rest []byte // came together with the response head
}

func (t *tunnel) Read(p []byte) (int, error) {
	if len(t.rest) > 0 {
		n := copy(p, t.rest)
		t.rest = t.rest[n:]
		return n, nil
	}
	return t.c.nc.Read(p)
}

func (t *tunnel) Write(p []byte) (int, error) { return t.c.nc.Write(p) }
func (t *tunnel) Close() error                { return t.c.Close() }

// CloseWrite shuts down the writing side. It fails if the connection below cannot do that.
func (t *tunnel) CloseWrite() error {
	if half, ok := t.c.nc.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return fmt.Errorf("close write: %w", errors.ErrUnsupported)
}

// WriteTo copies to w until the peer closes its side. The kernel moves the bytes if both connections support that.
func (t *tunnel) WriteTo(w io.Writer) (n int64, err error) {
	if len(t.rest) > 0 {
		k, err := w.Write(t.rest)
		t.rest = t.rest[k:]
		if err != nil {
			return int64(k), err
		}
		n = int64(k)
	}
	k, err := io.Copy(w, t.c.nc)
	return n + k, err
}

// ReadFrom copies from r to the peer. The kernel moves the bytes if both connections support that.
func (t *tunnel) ReadFrom(r io.Reader) (int64, error) { return io.Copy(t.c.nc, r) }
