package ratelimit

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redisscript"
)

//go:embed lease.lua
var leaseLua string

var leaseScript = redisscript.New(leaseLua)

// portionTime is how long the store collects tokens for a caller without tokens. The caller then gets them in one
// portion and does not need a round trip for each.
const portionTime = 100 * time.Millisecond

// storeClient requests tokens from Redis. It satisfies tokenStore.
type storeClient struct {
	client  rueidis.Client
	gateway string // a name that no other gateway has
}

// request runs the script until ctx is cancelled. The script is not retryable, because a second run would count twice.
func (c storeClient) request(ctx context.Context, key string, l limit, r tokenRequest) (tokenGrant, error) {
	n, err := leaseScript.Run(ctx, c.client, []string{key}, c.arguments(l, r)...).AsIntSlice()
	if err != nil {
		return tokenGrant{}, err
	}
	if len(n) != 3 || n[0] < 0 || n[0] > int64(r.needed) || n[1] < 0 || n[1] > int64(r.lease) || n[2] < 0 {
		return tokenGrant{}, fmt.Errorf("unexpected answer %v of the store", n)
	}
	wait := min(n[2], maxDepth/int64(time.Microsecond))
	return tokenGrant{needed: int(n[0]), leased: int(n[1]), wait: time.Duration(wait) * time.Microsecond}, nil
}

func (c storeClient) arguments(l limit, r tokenRequest) []string {
	integer := func(n int64) string { return strconv.FormatInt(n, 10) }
	return []string{
		strconv.FormatFloat(float64(l.interval)/1000, 'f', 3, 64),
		integer(l.depth / l.interval),
		integer(int64(r.needed)), integer(int64(r.lease)), integer(int64(r.spent)),
		c.gateway + ":" + integer(r.leaseID), c.gateway + ":" + integer(r.returning),
		integer((2 * leaseTime).Microseconds()), integer(max(1, int64(portionTime)/l.interval)),
	}
}
