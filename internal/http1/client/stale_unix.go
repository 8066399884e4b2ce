//go:build unix

package client

import (
	"crypto/tls"
	"net"
	"syscall"
)

// rawConn returns the socket below nc, or nil.
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

// peeker keeps what a look at the socket needs, so that it allocates once per connection.
type peeker struct {
	look func(fd uintptr) bool
	n    int
	err  error
	b    [1]byte
}

// stale reports whether there is something to read, be it data, an end or an error. Under TLS that is a record nobody
// asked for, in practice the peer's goodbye.
func (p *peeker) stale(raw syscall.RawConn) bool {
	if p.look == nil {
		p.look = func(fd uintptr) bool {
			for {
				p.n, _, p.err = syscall.Recvfrom(int(fd), p.b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
				if p.err != syscall.EINTR {
					return true
				}
			}
		}
	}
	if err := raw.Read(p.look); err != nil {
		return true
	}
	return p.err != syscall.EAGAIN
}
