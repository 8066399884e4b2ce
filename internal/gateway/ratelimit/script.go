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

// portionTime is how long the store lets tokens of an exhausted caller gather, so that the caller gets them in portions and
// not with a round trip each.
const portionTime = 100 * time.Millisecond

// ledger asks the store.
type ledger struct {
	client  rueidis.Client
	gateway string // a name that no other gateway has
}

// ask runs the script, until ctx is cancelled. The client is one that does not repeat commands: a repetition would be
// counted twice.
func (l ledger) ask(ctx context.Context, key string, lim limit, q question) (answer, error) {
	n, err := leaseScript.Run(ctx, l.client, []string{key}, l.arguments(lim, q)...).AsIntSlice()
	if err != nil {
		return answer{}, err
	}
	if len(n) != 3 || n[0] < 0 || n[0] > int64(q.need) || n[1] < 0 || n[1] > int64(q.extra) || n[2] < 0 {
		return answer{}, fmt.Errorf("answer %v of the store makes no sense", n)
	}
	wait := min(n[2], deepest/int64(time.Microsecond))
	return answer{need: int(n[0]), extra: int(n[1]), wait: time.Duration(wait) * time.Microsecond}, nil
}

func (l ledger) arguments(lim limit, q question) []string {
	whole := func(n int64) string { return strconv.FormatInt(n, 10) }
	return []string{
		strconv.FormatFloat(float64(lim.interval)/1000, 'f', 3, 64),
		whole(lim.depth / lim.interval),
		whole(int64(q.need)), whole(int64(q.extra)), whole(int64(q.spent)),
		l.gateway + ":" + whole(q.lease), l.gateway + ":" + whole(q.closing),
		whole((2 * leaseTime).Microseconds()), whole(max(1, int64(portionTime)/lim.interval)),
	}
}
