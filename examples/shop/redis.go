package shop

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// redisWait is how long Redis may take to respond, including retries.
const redisWait = time.Second

// openRedis connects to a URL such as redis://127.0.0.1:6379/0.
func openRedis(url string) (rueidis.Client, error) {
	options, err := rueidis.ParseURL(strings.TrimSuffix(url, "/"))
	if err != nil {
		return nil, fmt.Errorf("read redis URL: %w", err)
	}
	options.DisableCache = true // the client-side cache of rueidis; package cache decides which values may be kept
	options.Dialer.Timeout = cmp.Or(options.Dialer.Timeout, redisWait)
	options.ConnWriteTimeout = cmp.Or(options.ConnWriteTimeout, 5*redisWait)
	client, err := rueidis.NewClient(options)
	if err != nil {
		return nil, fmt.Errorf("connect to redis: %w", err)
	}
	return client, nil
}

// unavailable marks an error of a store as temporary.
func unavailable(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
}
