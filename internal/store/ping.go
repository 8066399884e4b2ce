package store

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/redis/rueidis"
)

// pingTimeout is how long a store may take to answer for the first time.
const pingTimeout = 3 * time.Second

// ping connects to a server and waits for its answer to PING.
func ping(ctx context.Context, o rueidis.ClientOption) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	o.DisableCache = true
	o.DisableRetry = true
	o.Dialer = net.Dialer{Timeout: pingTimeout}
	client, err := rueidis.NewClient(o)
	if err != nil {
		return withoutAddress(err)
	}
	defer client.Close()
	return withoutAddress(client.Do(ctx, client.B().Ping().Build()).Error())
}

// withoutAddress returns the reason of a network error, for example "connect: connection refused".
func withoutAddress(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Err != nil {
		return op.Err
	}
	return err
}
