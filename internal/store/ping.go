package store

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// pingTimeout is how long a store may take to answer a PING.
const pingTimeout = 3 * time.Second

// ping connects to a server and waits for its answer to PING.
func ping(ctx context.Context, o rueidis.ClientOption) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client, err := connectOnce(ctx, o)
	if err != nil {
		return err
	}
	defer client.Close()
	return pingOnce(ctx, client)
}

// connectOnce returns a client whose connections end with ctx. So nothing waits for a server that hangs.
func connectOnce(ctx context.Context, o rueidis.ClientOption) (rueidis.Client, error) {
	o.DisableCache = true
	o.DisableRetry = true
	o.Dialer = net.Dialer{Timeout: pingTimeout}
	dial := o.DialCtxFn // set for a Unix socket
	if dial == nil {
		dial = dialTCP
	}
	o.DialCtxFn = func(_ context.Context, address string, d *net.Dialer, config *tls.Config) (net.Conn, error) {
		conn, err := dial(ctx, address, d, config)
		if err == nil {
			context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	}
	client, err := rueidis.NewClient(o)
	if err != nil {
		return nil, withoutAddress(err)
	}
	return client, nil
}

// dialTCP connects with TLS if there is a configuration for it.
func dialTCP(ctx context.Context, address string, d *net.Dialer, config *tls.Config) (net.Conn, error) {
	if config != nil {
		return (&tls.Dialer{NetDialer: d, Config: config}).DialContext(ctx, "tcp", address)
	}
	return d.DialContext(ctx, "tcp", address)
}

func pingOnce(ctx context.Context, client rueidis.Client) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return withoutAddress(client.Do(ctx, client.B().Ping().Build()).Error())
}

// withoutAddress returns the reason of a network error, for example "connect: connection refused".
func withoutAddress(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Err != nil {
		return op.Err
	}
	return err
}

// passing are the error replies of a server that will work later, for example while it loads its data.
var passing = []string{"LOADING", "BUSY", "MASTERDOWN", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "ERR max number of clients"}

// isRefusal reports whether a server has answered with an error that does not go away, such as a wrong password.
func isRefusal(err error) bool {
	reply, ok := rueidis.IsRedisErr(err)
	return ok && !slices.ContainsFunc(passing, func(p string) bool { return strings.HasPrefix(reply.Error(), p) })
}
