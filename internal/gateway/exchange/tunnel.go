package exchange

import "io"

// Tunnel is the connection to a node after the node switched protocols (status 101).
type Tunnel interface {
	io.ReadWriteCloser

	// CloseWrite ends the sending half. The node may go on sending.
	CloseWrite() error

	// AfterEnd calls f in a goroutine when the tunnel has to end: the pool drains the node, or the request's context is
	// over. stop prevents the call; it reports whether it did.
	AfterEnd(f func()) (stop func() bool)
}
