//go:build unix

package client

import (
	"crypto/tls"
	"net"
	"syscall"
)

// rawConn returns the socket below nc, or nil if there is no socket.
func rawConn(nc net.Conn) syscall.RawConn {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// peeker looks at a socket without reading from it. It keeps its state, so that it allocates once per connection.
type peeker struct {
	recv func(fd uintptr) bool
	n    int
	err  error
	b    [1]byte
}

// readable reports whether the socket has data, an end or an error. Under TLS, data on an idle connection is an
// unexpected record, usually the peer's close_notify.
func (p *peeker) readable(raw syscall.RawConn) bool {
	if p.recv == nil {
		p.recv = func(fd uintptr) bool {
			for {
				p.n, _, p.err = syscall.Recvfrom(int(fd), p.b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
				if p.err != syscall.EINTR {
					return true
				}
			}
		}
	}
	if err := raw.Read(p.recv); err != nil {
		return true
	}
	return p.err != syscall.EAGAIN
}
