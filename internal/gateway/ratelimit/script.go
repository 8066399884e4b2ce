package ratelimit

import (
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

//go:embed lease.lua
var text string

var sha = func() string {
	sum := sha1.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}()

// portionTime is how long the store lets tokens of an exhausted caller gather, so that the caller gets them in portions and
// not with a round trip each.
const portionTime = 100 * time.Millisecond

// ledger asks the store.
type ledger struct {
	client  rueidis.Client
	gateway string // a name that no other gateway has
}

// ask runs the script, until ctx is cancelled. The client is one that does not repeat commands: a repetition would be
// counted twice. The commands are pinned, which keeps rueidis from using their memory again: up to v1.0.79 it recycles a
// command that it sends again on a new connection while the old one may still be writing it.
func (l ledger) ask(ctx context.Context, key string, lim limit, q question) (answer, error) {
	args := l.arguments(lim, q)
	c := l.client
	got := c.Do(ctx, c.B().Evalsha().Sha1(sha).Numkeys(1).Key(key).Arg(args...).Build().Pin())
	if err, ok := rueidis.IsRedisErr(got.Error()); ok && err.IsNoScript() {
		got = c.Do(ctx, c.B().Eval().Script(text).Numkeys(1).Key(key).Arg(args...).Build().Pin())
	}
	n, err := got.AsIntSlice()
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
