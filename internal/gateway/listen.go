package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"

	"github.com/tenfold-go/tenfold/internal/config"
)

// ListenError is an address that cannot be listened on.
type ListenError struct {
	Address string
	Err     error
}

func (e *ListenError) Error() string {
	return fmt.Sprintf("listen on %s: %v", e.Address, unwrapped(e.Err))
}
func (e *ListenError) Unwrap() error { return e.Err }

// Hint says what to do next.
func (e *ListenError) Hint() string {
	switch {
	case errors.Is(e.Err, syscall.EADDRINUSE):
		return "something else has this port; choose another one with --listen or listen: in the file, or see who has it: ss -ltnp"
	case errors.Is(e.Err, syscall.EADDRNOTAVAIL):
		return "this machine does not have that address; :8080 listens on all that it has"
	case errors.Is(e.Err, syscall.EACCES):
		return "ports below 1024 need a privilege: choose another one, or setcap cap_net_bind_service=+ep on the tenfold binary"
	}
	return "use host:port or :port, for example :8080"
}

// unwrapped drops net's "listen tcp :8080:" before the reason.
func unwrapped(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Err != nil {
		return op.Err
	}
	return err
}

// listen opens one address. Its connections have the client's address from the PROXY protocol, if the peers must send it.
func listen(address string, cfg *config.Config, log *slog.Logger) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &ListenError{address, err}
	}
	if len(cfg.ProxyProtocol) > 0 {
		l = newProxyListener(l, cfg.ProxyProtocol, cfg.Limits.HeaderTimeout, log)
	}
	return l, nil
}
