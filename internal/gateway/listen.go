package gateway

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// ListenError is the error of an address that cannot be opened.
type ListenError struct {
	Address string
	Err     error
}

func (e *ListenError) Error() string {
	return fmt.Sprintf("listen on %s: %v", e.Address, unwrapped(e.Err))
}
func (e *ListenError) Unwrap() error { return e.Err }

// Hint returns what the user can do about it.
func (e *ListenError) Hint() string {
	switch {
	case errors.Is(e.Err, syscall.EADDRINUSE):
		return "another program uses this port; choose another port with --listen or listen: in the file, " +
			"or find the program with: ss -ltnp"
	case errors.Is(e.Err, syscall.EADDRNOTAVAIL):
		return "this machine does not have that address; :8080 listens on all its addresses"
	case errors.Is(e.Err, syscall.EACCES):
		return "ports below 1024 need a privilege: choose another one, " +
			"or setcap cap_net_bind_service=+ep on the tenfold binary"
	}
	return "use host:port or :port, for example :8080"
}

// unwrapped returns the reason without the prefix "listen tcp :8080:".
func unwrapped(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Err != nil {
		return op.Err
	}
	return err
}

// listen opens one address.
func (g *Gateway) listen(address string) (*listener, error) {
	socket, err := g.options.Listen(address)
	if err != nil {
		return nil, &ListenError{address, err}
	}
	return &listener{address: address, socket: socket, admit: g.admit}, nil
}

// admit gives a new connection the address of the client from the PROXY protocol, if the peers must send it, and counts
// it for its client. It returns nil when it has closed the connection.
func (g *Gateway) admit(nc net.Conn) net.Conn {
	cfg := g.current.Load().cfg
	proxyProtocol := len(cfg.ProxyProtocol) > 0
	if proxyProtocol {
		if nc = readProxyHeader(nc, cfg.ProxyProtocol, cfg.Limits.HeaderTimeout, g.log); nc == nil {
			return nil
		}
	}
	return g.perClient.admit(nc, proxyProtocol)
}
