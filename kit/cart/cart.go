package cart

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/kit/redisscript"
)

// Cart holds what one owner is about to buy: quantities by product. A Cart itself has no state, and it is safe for
// concurrent use.
//
// The id of an operation makes a repetition harmless, for example a double click or a retry after a lost response.
// Choose a new id for each action of the visitor, for example in a hidden field of the form, and send the same id with
// each retry. With an empty id every call counts, and after ErrUnavailable it is unknown whether it did.
//
// Every method may return ErrUnavailable, ErrInvalid, or the error of a context that was cancelled. ErrInvalid means
// that a text is empty, not plain text, or too long: an owner has at most 256 bytes and no braces, a product 128, an id
// 255.
type Cart struct {
	carts *Carts
	owner string
}

// Quantities returns the quantities by product. If the owner has no cart, the map is empty.
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

// Add changes the quantity of a product by n. A negative n reduces it, down to 0. Add returns the new quantity, or the
// present one if the operation was counted before.
//
// Errors: ErrLimit if the cart, the quantity or the memory for ids is full. ErrInvalid if n is 0 or beyond MaxQuantity.
func (c *Cart) Add(ctx context.Context, product string, n int, op string) (int, error) {
	if most := c.carts.o.MaxQuantity; n == 0 || n > most || n < -most {
		return 0, fmt.Errorf("quantity %d, want 1 to %d or -1 to -%d: %w", n, most, most, ErrInvalid)
	}
	return c.change(ctx, "add", product, n, op)
}

// Set sets the quantity of a product; 0 removes it. Of two concurrent calls, the later one decides. Set returns the new
// quantity, or the present one if the operation was counted before.
//
// Errors: ErrLimit as in Add. ErrInvalid if n is below 0 or beyond MaxQuantity.
func (c *Cart) Set(ctx context.Context, product string, n int, op string) (int, error) {
	if n < 0 || n > c.carts.o.MaxQuantity {
		return 0, fmt.Errorf("quantity %d, want 0 to %d: %w", n, c.carts.o.MaxQuantity, ErrInvalid)
	}
	return c.change(ctx, "set", product, n, op)
}

// Remove removes a product. If the product is not in the cart, nothing happens. With an id, a late repetition does not
// remove what was added in the meantime.
func (c *Cart) Remove(ctx context.Context, product, op string) error {
	_, err := c.Set(ctx, product, 0, op)
	return err
}

// changeText is the script of Add and Set. KEYS: lines, ops. ARGV: "add" or "set", product, quantity, id, MaxLines,
// MaxQuantity, MaxOps, OpTTL in ms, TTL in ms. It returns a result code and the quantity.
const changeText = `
local has = tonumber(redis.call('HGET', KEYS[1], ARGV[2]) or '0')
local time = now()
if ARGV[4] ~= '' then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', time - tonumber(ARGV[8])))
  if redis.call('ZSCORE', KEYS[2], ARGV[4]) then return {1, has} end
  if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[7]) then return {-1, has} end
end
local n = tonumber(ARGV[3])
if ARGV[1] == 'add' then n = math.max(0, has + n) end
if n > has and n > tonumber(ARGV[6]) then return {-1, has} end
if n > 0 and has == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then return {-1, has} end
if n > 0 then
  redis.call('HSET', KEYS[1], ARGV[2], string.format('%.0f', n))
else
  redis.call('HDEL', KEYS[1], ARGV[2])
end
redis.call('PEXPIRE', KEYS[1], ARGV[9])
if ARGV[4] ~= '' then
  redis.call('ZADD', KEYS[2], string.format('%.0f', time), ARGV[4])
  redis.call('PEXPIRE', KEYS[2], ARGV[8])
end
return {1, n}`

// limitReached is a result code of changeText. The other one is 1: the change is done.
const limitReached = -1

var (
	// changeScript is for operations without an id: the client must not send them twice.
	changeScript = redisscript.New(redisscript.Now, changeText)
	// changeOnceScript is for operations with an id: the client sends them again if a connection breaks.
	changeOnceScript = redisscript.NewRetryable(redisscript.Now, changeText)
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
		strconv.Itoa(o.MaxOps), milliseconds(o.OpTTL), milliseconds(o.TTL)}
	result, err := script.Run(ctx, c.carts.client, []string{keys.lines, keys.ops}, args...).AsIntSlice()
	if err != nil {
		return 0, unavailable("change cart", err)
	}
	if len(result) != 2 {
		return 0, fmt.Errorf("change cart: the store returned %d values, want 2: %w", len(result), ErrUnavailable)
	}
	if result[0] == limitReached {
		return int(result[1]), fmt.Errorf("change cart: %w", ErrLimit)
	}
	return int(result[1]), nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// keys are the Redis keys of a cart. They share a hash tag, so that one script may use them together on Redis Cluster.
type keys struct {
	lines  string // quantities by product
	ops    string // ids of Add, Set and Remove, by time
	once   string // ids of RemoveOrdered and Merge, by time
	moving string // lines that a Merge moves into another cart
	target string // id of that Merge and owner of the other cart
}

func (c *Cart) keys() (keys, error) {
	if err := checkText("owner", c.owner, maxOwner); err != nil {
		return keys{}, err
	}
	if strings.ContainsAny(c.owner, "{}") {
		return keys{}, fmt.Errorf("owner %q contains a brace: %w", c.owner, ErrInvalid)
	}
	k := c.carts.o.Prefix + "cart:{" + c.owner + "}"
	return keys{k, k + ":ops", k + ":once", k + ":out", k + ":way"}, nil
}
