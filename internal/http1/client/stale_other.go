//go:build !unix

package client

import (
	"net"
	"syscall"
)

// rawConn returns nil: there is no portable way to look at a socket without reading from it.
func rawConn(net.Conn) syscall.RawConn { return nil }

type peeker struct{}

func (*peeker) readable(syscall.RawConn) bool { return false }
