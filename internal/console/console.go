// Package console serves the admin address: the JSON API and the metrics of a running tenfold.
//
//	GET  /healthz                          tenfold itself is alive
//	GET  /metrics                          metrics in the Prometheus text format
//	GET  /api/services                     every service: wanted and running nodes
//	GET  /api/nodes                        every node
//	GET  /api/routes                       every route
//	GET  /api/store                        the store, and whether it answers
//	GET  /api/version                      which process serves, and its version
//	POST /api/upgrade                      lets a new process of the program serve; answers when it does
//	GET  /api/diff                         what a reload would change
//	POST /api/reload                       makes the file run as it is now; answers when it is done
//	GET  /api/logs?name=&lines=&follow=    the last lines of nodes and events, one JSON document per line
//	POST /api/services/{name}/restart      rolling restart; answers when it is done
//	POST /api/services/{name}/deploy       gives the service the version of the file; {"share": 0.1}, {"promote": true}; answers when it is done
//	POST /api/services/{name}/rollback     runs the version before the last deploy; answers when it is done
//	POST /api/services/{name}/scale        {"nodes": 5}; answers at once
//	POST /api/nodes/{id}/drain             replaces and stops one node; answers when it is gone. {"force": true} drains the
//	                                       last ready node of a list of addresses, too
//	POST /api/nodes/{id}/undrain           takes a node back that drains
package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/status"
)

// Console serves the admin address.
type Console struct {
	admin    config.Admin
	open     func(address string) (net.Listener, error)
	server   *http.Server
	listener net.Listener
}

// Options tune a Console. Zero fields mean their defaults.
type Options struct {
	Log *slog.Logger // changes with their callers, and errors of the HTTP server; default: discard
	// Token proves that a program belongs to the user of this process, when the configuration has no token. Default: none.
	Token   string
	Logs    LogReader      // answers GET /api/logs; default: no lines
	Version status.Version // of this process
	// Listen opens the address. Default: net.Listen.
	Listen func(address string) (net.Listener, error)
}

// New builds a Console. metrics answers GET /metrics. New opens nothing.
func New(admin config.Admin, reader Reader, operator Operator, metrics http.Handler, o *Options) *Console {
	if o == nil {
		o = &Options{}
	}
	l := cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	lines := o.Logs
	if lines == nil {
		lines = func(context.Context, LogQuery, func(LogLine) error) error { return nil }
	}
	open := o.Listen
	if open == nil {
		open = func(address string) (net.Listener, error) { return net.Listen("tcp", address) }
	}
	stopping := make(chan struct{})
	access := access{admin, o.Token}
	mux := newRoutes(reader, operator, metrics, o.Version, access.isOwner)
	mux.HandleFunc("GET "+logsPath, logs(lines, reader, stopping))
	// A page in a browser on this machine may send a POST to this address. The protection refuses it.
	routes := http.NewCrossOriginProtection().Handler(mux)
	c := &Console{admin: admin, open: open, server: &http.Server{
		Handler:           access.authorize(logActions(l, routes)),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(errorLog{l}, "", 0),
		ConnState:         (&connections{idle: make(map[net.Conn]time.Time)}).connState,
	}}
	c.server.RegisterOnShutdown(sync.OnceFunc(func() { close(stopping) }))
	return c
}

// Listen opens the admin address. It does nothing when the address is "off". It fails with a [*ListenError].
func (c *Console) Listen() (err error) {
	switch c.admin.Listen {
	case "off":
	case config.AdminAuto:
		c.listener, err = c.listenFree(config.DefaultAdmin)
	default:
		c.listener, err = c.listen(c.admin.Listen)
	}
	return err
}

func (c *Console) listen(address string) (net.Listener, error) {
	l, err := c.open(address)
	if err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) && op.Err != nil {
			err = op.Err // the ListenError names the address
		}
		return nil, &ListenError{Address: address, Err: err}
	}
	return l, nil
}

// nextPorts is how many ports after the default one are tried before the system chooses: a person can guess these.
const nextPorts = 9

// listenFree opens address, or the same host with another port when another program has that port.
func (c *Console) listenFree(address string) (net.Listener, error) {
	host, port, _ := net.SplitHostPort(address)
	first, _ := strconv.Atoi(port)
	l, err := c.listen(address)
	for i := 1; errors.Is(err, syscall.EADDRINUSE) && i <= nextPorts; i++ {
		l, err = c.listen(net.JoinHostPort(host, strconv.Itoa(first+i)))
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return c.listen(net.JoinHostPort(host, "0"))
	}
	return l, err
}

// ListenError says that the admin address cannot be opened.
type ListenError struct {
	Address string
	Err     error
}

func (e *ListenError) Error() string {
	return fmt.Sprintf("listen on admin address %s: %v", e.Address, e.Err)
}
func (e *ListenError) Unwrap() error { return e.Err }

// Addr returns the address that Listen opened, or nil when the console is off.
func (c *Console) Addr() net.Addr {
	if c.listener == nil {
		return nil
	}
	return c.listener.Addr()
}

// Run serves until ctx ends. Requests that are in progress then have one second to finish. Run returns early when the
// listener fails.
func (c *Console) Run(ctx context.Context) error {
	if c.listener == nil {
		<-ctx.Done()
		return nil
	}
	served := make(chan error, 1)
	go func() { served <- c.server.Serve(c.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve admin address: %w", err)
	case <-ctx.Done():
	}
	stopCtx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if c.server.Shutdown(stopCtx) != nil {
		c.server.Close()
	}
	<-served
	return nil
}

// Release leaves the address to another process: requests in progress finish, and their connections end.
func (c *Console) Release() { c.server.SetKeepAlivesEnabled(false) }

// Close closes the address of a console whose Run was never called. After Run it does nothing.
func (c *Console) Close() error {
	if c.listener == nil {
		return nil
	}
	if err := c.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
