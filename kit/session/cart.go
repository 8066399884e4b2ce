package session

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redisscript"
)

// CartOptions tune Carts. Zero fields mean their defaults.
type CartOptions struct {
	MaxLines    int // products in one cart; default 50
	MaxQuantity int // of one product; default 1,000, at most 1e9
	// OpWindow is how long an operation's id is remembered, so that a repetition changes nothing; default 10m. MaxOps is how
	// many a cart remembers at once, default 1,024: more changes within OpWindow are refused rather than counted twice.
	OpWindow time.Duration
	MaxOps   int
	Life     time.Duration // a cart that nobody changes for so long is thrown away; default 30 days
	Timeout  time.Duration // how long the store may take to answer one operation, retries included; default 1s
	Prefix   string        // begins every key; no braces; default "tenfold:"
}

// Carts are the shopping carts of one service. All methods may be called concurrently.
type Carts struct {
	client rueidis.Client
	o      CartOptions
}

// NewCarts returns the carts kept behind client, which stays the caller's to close. It does no I/O. A nil o means all
// defaults.
func NewCarts(client rueidis.Client, o *CartOptions) (*Carts, error) {
	carts := &Carts{client: client}
	if o != nil {
		carts.o = *o
	}
	set := &carts.o
	setDefault(&set.MaxLines, 50)
	setDefault(&set.MaxQuantity, 1000)
	setDefault(&set.OpWindow, 10*time.Minute)
	setDefault(&set.MaxOps, 1024)
	setDefault(&set.Life, 30*24*time.Hour)
	setDefault(&set.Timeout, time.Second)
	setDefault(&set.Prefix, "tenfold:")
	switch {
	case client == nil:
		return nil, errors.New("open carts: no redis client")
	case set.MaxLines < 0 || set.MaxQuantity < 0 || set.MaxQuantity > 1e9 || set.MaxOps < 0 || set.Timeout < 0:
		return nil, errors.New("open carts: limits must be positive")
	case set.OpWindow < time.Second || set.Life < time.Second:
		return nil, fmt.Errorf("open carts: operations %s and life %s must be at least 1s", set.OpWindow, set.Life)
	case strings.ContainsAny(set.Prefix, "{}"):
		return nil, fmt.Errorf("open carts: prefix %q must have no braces", set.Prefix)
	}
	return carts, nil
}

// Cart is what one owner is about to buy: quantities by product. Its changes are operations, not states, so those of many
// requests on many nodes add up in any order. A Cart holds nothing itself and may be used concurrently.
//
// An operation's id makes a repetition harmless: a double click, a retry after a lost answer. Take a new one for each thing
// that the visitor does, for example as a hidden field of the form, and send the same one again with each retry. With an
// empty id every call counts, and after ErrUnavailable it is not known whether it did.
//
// All methods may return ErrUnavailable, ErrInvalid for an owner, product or id that is not plain text of 1 to 256, 128 or 255
// bytes (an owner has no braces), or the error of a context that was cancelled.
type Cart struct {
	carts *Carts
	owner string
}

// Of returns the cart of an owner, such as "user:42" or, for a guest, "guest:" and the session's ID. It does no I/O.
func (c *Carts) Of(owner string) *Cart { return &Cart{c, owner} }

const (
	maxProduct = 128 // bytes
	maxOp      = 255 // bytes: a whole Idempotency-Key
)

// Quantities returns what is in the cart, by product. An owner without a cart has an empty one.
func (c *Cart) Quantities(ctx context.Context) (map[string]int, error) {
	keys, err := c.keys()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.carts.o.Timeout)
	defer cancel()
	client := c.carts.client
	fields, err := client.Do(ctx, client.B().Hgetall().Key(keys.lines).Build().Pin()).AsIntMap()
	if err != nil {
		return nil, unavailable("read cart", err)
	}
	quantities := make(map[string]int, len(fields))
	for product, n := range fields {
		quantities[product] = int(n)
	}
	return quantities, nil
}

// Add puts n more of a product into the cart, or takes some out when n is negative, down to none. It returns how many there
// are now, also when the operation was counted before.
//
// Errors: ErrLimit when the cart, the quantity or the memory of operations is full; ErrInvalid for an n of 0 or beyond
// MaxQuantity.
func (c *Cart) Add(ctx context.Context, product string, n int, op string) (int, error) {
	if most := c.carts.o.MaxQuantity; n == 0 || n > most || n < -most {
		return 0, fmt.Errorf("quantity %d is not 1 to %d, nor as much less: %w", n, most, ErrInvalid)
	}
	return c.change(ctx, "add", product, n, op)
}

// Set makes the quantity of a product n; 0 removes it. Of two that set it the later wins. It returns how many there are now.
//
// Errors: ErrLimit as for Add; ErrInvalid for an n below 0 or beyond MaxQuantity.
func (c *Cart) Set(ctx context.Context, product string, n int, op string) (int, error) {
	if n < 0 || n > c.carts.o.MaxQuantity {
		return 0, fmt.Errorf("quantity %d is not 0 to %d: %w", n, c.carts.o.MaxQuantity, ErrInvalid)
	}
	return c.change(ctx, "set", product, n, op)
}

// Remove takes a product out of the cart. It is no error when it is not in it. With an id, a late repetition does not take
// out what was added since.
func (c *Cart) Remove(ctx context.Context, product, op string) error {
	_, err := c.Set(ctx, product, 0, op)
	return err
}

// KEYS: lines, operations. ARGV: add or set, product, quantity, operation, most lines, most of one, most operations, window
// and life in ms. Answers a verdict and the quantity.
const changeText = `
local has = tonumber(redis.call('HGET', KEYS[1], ARGV[2]) or '0')
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
if ARGV[4] ~= '' then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now - tonumber(ARGV[8])))
  if redis.call('ZSCORE', KEYS[2], ARGV[4]) then return {1, has} end
  if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[7]) then return {-2, has} end
end
local n = tonumber(ARGV[3])
if ARGV[1] == 'add' then n = math.max(0, has + n) end
if n > has and n > tonumber(ARGV[6]) then return {-2, has} end
if n > 0 and has == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then return {-2, has} end
if n > 0 then
  redis.call('HSET', KEYS[1], ARGV[2], string.format('%.0f', n))
else
  redis.call('HDEL', KEYS[1], ARGV[2])
end
redis.call('PEXPIRE', KEYS[1], ARGV[9])
if ARGV[4] ~= '' then
  redis.call('ZADD', KEYS[2], string.format('%.0f', now), ARGV[4])
  redis.call('PEXPIRE', KEYS[2], ARGV[8])
end
return {1, n}`

var (
	changeScript     = redisscript.New(changeText)          // without an id: never sent twice
	changeOnceScript = redisscript.NewRetryable(changeText) // with one: sent again when a connection breaks
)

func (c *Cart) change(ctx context.Context, mode, product string, n int, op string) (int, error) {
	keys, err := c.keys()
	if err != nil {
		return 0, err
	}
	if err := checkText("product", product, maxProduct); err != nil {
		return 0, err
	}
	script := changeScript
	if op != "" {
		script = changeOnceScript
		if err := checkText("operation", op, maxOp); err != nil {
			return 0, err
		}
	}
	o := c.carts.o
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	args := []string{mode, product, strconv.Itoa(n), op, strconv.Itoa(o.MaxLines), strconv.Itoa(o.MaxQuantity),
		strconv.Itoa(o.MaxOps), milliseconds(o.OpWindow), milliseconds(o.Life)}
	answer, err := script.Run(ctx, c.carts.client, []string{keys.lines, keys.ops}, args...).AsIntSlice()
	if err != nil {
		return 0, unavailable("change cart", err)
	}
	return int(answer[1]), verdict("change cart", answer[0], nil)
}

// cartKeys share a hash tag, so that one script may use them together on Redis Cluster.
type cartKeys struct {
	lines string // quantities by product
	ops   string // ids of Add, Set and Remove, by time
	once  string // ids of Take and Merge, by time
	out   string // lines on their way into another cart
	way   string // which way: id and owner of the other cart
}

func (c *Cart) keys() (cartKeys, error) {
	if err := checkText("owner", c.owner, maxOwner); err != nil {
		return cartKeys{}, err
	}
	if strings.ContainsAny(c.owner, "{}") {
		return cartKeys{}, fmt.Errorf("owner %q has braces: %w", c.owner, ErrInvalid)
	}
	k := c.carts.o.Prefix + "cart:{" + c.owner + "}"
	return cartKeys{k, k + ":ops", k + ":once", k + ":out", k + ":way"}, nil
}
