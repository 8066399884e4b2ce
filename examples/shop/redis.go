package shop

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// redisCarts keeps each cart as a Redis hash, shop:cart:OWNER -> product -> quantity. What reads before it writes is a
// script over that one key, so it is atomic, also on a Redis Cluster.
type redisCarts struct{ client rueidis.Client }

// redisWait is how long Redis may take to answer, retries included.
const redisWait = time.Second

func openRedisCarts(url string) (*redisCarts, error) {
	options, err := rueidis.ParseURL(strings.TrimSuffix(url, "/"))
	if err != nil {
		return nil, fmt.Errorf("read redis URL: %w", err)
	}
	options.DisableCache = true // no client-side caching: carts are written as often as they are read
	options.Dialer.Timeout = cmp.Or(options.Dialer.Timeout, redisWait)
	options.ConnWriteTimeout = cmp.Or(options.ConnWriteTimeout, 5*redisWait)
	client, err := rueidis.NewClient(options)
	if err != nil {
		return nil, fmt.Errorf("connect to redis: %w", err)
	}
	return &redisCarts{client}, nil
}

func cartKey(owner string) string { return "shop:cart:" + owner }

func (c *redisCarts) Quantities(ctx context.Context, owner string) (map[string]int, error) {
	ctx, cancel := context.WithTimeout(ctx, redisWait)
	defer cancel()
	fields, err := c.client.Do(ctx, c.client.B().Hgetall().Key(cartKey(owner)).Build()).AsIntMap()
	if err != nil {
		return nil, unavailable("read cart", err)
	}
	quantities := make(map[string]int, len(fields))
	for product, n := range fields {
		quantities[product] = int(n)
	}
	return quantities, nil
}

// ARGV: most lines, most of one, seconds to live, "add" or "raise", then product, quantity, product, quantity ...
var putScript = rueidis.NewLuaScript(`
local lines, most, life, add = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4] == 'add'
local fits = 1
for i = 5, #ARGV, 2 do
	local has = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '0')
	local n = tonumber(ARGV[i + 1])
	if add then n = n + has end
	if n > most or (has == 0 and redis.call('HLEN', KEYS[1]) >= lines) then
		fits = 0
	elseif n > has then
		redis.call('HSET', KEYS[1], ARGV[i], n)
	end
end
redis.call('EXPIRE', KEYS[1], life)
return fits`)

func (c *redisCarts) Add(ctx context.Context, owner, product string, n int) error {
	fits, err := c.run(ctx, putScript, owner, putLimits("add"), map[string]int{product: n})
	if err == nil && fits == 0 {
		return ErrCartFull
	}
	return err
}

func (c *redisCarts) Raise(ctx context.Context, owner string, quantities map[string]int) error {
	_, err := c.run(ctx, putScript, owner, putLimits("raise"), quantities)
	return err
}

func putLimits(mode string) []string {
	return []string{strconv.Itoa(maxCartLines), strconv.Itoa(maxQuantity), strconv.Itoa(int(cartLife.Seconds())), mode}
}

var settleScript = rueidis.NewLuaScript(`
for i = 1, #ARGV, 2 do
	if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
		redis.call('HDEL', KEYS[1], ARGV[i])
	end
end
return 1`)

func (c *redisCarts) Settle(ctx context.Context, owner string, quantities map[string]int) error {
	_, err := c.run(ctx, settleScript, owner, nil, quantities)
	return err
}

func (c *redisCarts) Remove(ctx context.Context, owner, product string) error {
	ctx, cancel := context.WithTimeout(ctx, redisWait)
	defer cancel()
	err := c.client.Do(ctx, c.client.B().Hdel().Key(cartKey(owner)).Field(product).Build()).Error()
	return unavailable("change cart", err)
}

// run runs a script on a cart with its arguments, the quantities last.
func (c *redisCarts) run(
	ctx context.Context, script *rueidis.Lua, owner string, args []string, quantities map[string]int,
) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, redisWait)
	defer cancel()
	for product, n := range quantities {
		args = append(args, product, strconv.Itoa(n))
	}
	answer, err := script.Exec(ctx, c.client, []string{cartKey(owner)}, args).AsInt64()
	return answer, unavailable("change cart", err)
}

// Ping asks Redis for an answer.
func (c *redisCarts) Ping(ctx context.Context) error {
	return c.client.Do(ctx, c.client.B().Ping().Build()).Error()
}

// Close ends the connections.
func (c *redisCarts) Close() error {
	c.client.Close()
	return nil
}

// unavailable marks an error of Redis as one that may pass.
func unavailable(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
}
