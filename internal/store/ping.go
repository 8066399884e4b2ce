package store

import (
	"context"
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
	client, err := connectOnce(o)
	if err != nil {
		return err
	}
	defer client.Close()
	return pingOnce(ctx, client)
}

func connectOnce(o rueidis.ClientOption) (rueidis.Client, error) {
	o.DisableCache = true
	o.DisableRetry = true
	o.Dialer = net.Dialer{Timeout: pingTimeout}
	client, err := rueidis.NewClient(o)
	if err != nil {
		return nil, withoutAddress(err)
	}
	return client, nil
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
