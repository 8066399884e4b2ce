package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
)

// switchProtocols makes the response whose body is the connection itself.
func (m *message) switchProtocols(line statusLine, n int) (*http.Response, error) {
	c := m.c
	if !m.plan.upgrade || !c.head.Upgrade {
		return nil, m.fail(Sent, &MalformedError{"unexpected switch of protocols"})
	}
	m.fill(line, n)
	m.keep = false
	rest := append([]byte(nil), c.buf[c.r:c.w]...)
	c.r = c.w
	if m.stop != nil && !m.stop() {
		m.stop = nil
		return nil, m.fail(Sent, errors.New("interrupted"))
	}
	m.done = true
	c.busy, c.broken = false, true
	c.giveBack()
	m.resp.Body = &tunnel{c: c, rest: rest}
	return &m.resp, nil
}

// tunnel is the connection after a switch of protocols. Reading and writing may run side by side.
type tunnel struct {
	c    *Conn
	rest []byte // came with the response head
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

// CloseWrite ends the writing half, where the connection has halves.
func (t *tunnel) CloseWrite() error {
	if half, ok := t.c.nc.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return fmt.Errorf("close write: %w", errors.ErrUnsupported)
}

// WriteTo lets the kernel move the bytes, where it can.
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

// ReadFrom is WriteTo's other direction.
func (t *tunnel) ReadFrom(r io.Reader) (int64, error) { return io.Copy(t.c.nc, r) }
