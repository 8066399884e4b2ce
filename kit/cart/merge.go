package cart

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/tenfold-go/tenfold/kit/redisscript"
)

// RemoveOrdered subtracts the quantities of an order from the cart, once per order. Products that were added after the
// order stay. Op is the id of the order. A repetition changes nothing, so an order that is retried after a crash may
// call it again. A cart remembers its last 4,096 orders and merges for twice its TTL.
//
// Errors: ErrInvalid if op is empty or a quantity is below 1.
func (c *Cart) RemoveOrdered(ctx context.Context, quantities map[string]int, op string) error {
	if err := checkText("operation", op, maxOp); err != nil {
		return err
	}
	for product, n := range quantities {
		if n < 1 {
			return fmt.Errorf("quantity %d of %q is below 1: %w", n, product, ErrInvalid)
		}
	}
	_, err := c.changeOnce(ctx, "remove", op, quantities)
	return err
}

// Merge moves the lines of another cart into this one, for example from the guest's cart into the user's at login.
// Quantities add up. Each line is moved once, even if several nodes call Merge at the same time, or again after a
// crash. A quantity that would exceed MaxQuantity and a product that would exceed MaxLines are dropped. The call that
// drops them returns them.
//
// The two carts may be on different servers, so Merge has three steps. It sets the lines aside in the other cart, under
// a new id. It adds them here under that id. It deletes them there. Merge first finishes the steps that an earlier call
// did not finish, even if that call moved the lines to a third cart. A line that is added to the other cart at the same
// time may stay there until the next Merge. So call Merge whenever you show a user's cart; without lines to move it is
// one round trip.
//
// Errors: ErrInvalid for merging a cart into itself.
func (c *Cart) Merge(ctx context.Context, other *Cart) (dropped map[string]int, err error) {
	if c.owner == other.owner {
		return nil, fmt.Errorf("merge cart of %q into itself: %w", c.owner, ErrInvalid)
	}
	if _, err := c.keys(); err != nil {
		return nil, err
	}
	for {
		id, target, lines, err := other.setAside(ctx, c.owner)
		if err != nil || id == "" {
			return dropped, err
		}
		excess, err := c.carts.Of(target).changeOnce(ctx, "add", id, lines)
		if err != nil {
			return dropped, err
		}
		if err := other.deleteSetAside(ctx, id); err != nil {
			return dropped, err
		}
		if target == c.owner {
			return excess, nil
		}
	}
}

// maxOnce limits the ids that a cart remembers for changeOnce. A new id replaces the oldest one. Refusing the operation
// instead would block a customer who orders often, and a repetition usually comes before 4,096 other orders.
const maxOnce = 4096

// KEYS: lines, once. ARGV: "remove" or "add", id, maxOnce, TTL in ms, MaxLines, MaxQuantity, then product, quantity ...
// It returns product, quantity ... of what was dropped. An id is remembered longer than lines that are set aside.
var onceScript = redisscript.NewRetryable(redisscript.Now, `
local time, ttl = now(), tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', time - 2 * ttl))
if redis.call('ZSCORE', KEYS[2], ARGV[2]) then return {} end
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, '-' .. ARGV[3])
local dropped = {}
for i = 7, #ARGV, 2 do
  local has, n = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '0'), tonumber(ARGV[i + 1])
  local sum = has - n
  if ARGV[1] == 'add' then
    sum = math.max(has, math.min(has + n, tonumber(ARGV[6])))
    if has == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then sum = 0 end
    if sum < has + n then
      dropped[#dropped + 1] = ARGV[i]
      dropped[#dropped + 1] = string.format('%.0f', has + n - sum)
    end
  end
  if sum > 0 then
    redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f', sum))
  else
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[2], string.format('%.0f', time), ARGV[2])
redis.call('PEXPIRE', KEYS[2], string.format('%.0f', 2 * ttl))
return dropped`)

// changeOnce adds or removes quantities, unless it did so before under this id. It returns what it dropped, or nil.
func (c *Cart) changeOnce(ctx context.Context, mode, id string, quantities map[string]int) (map[string]int, error) {
	keys, err := c.keys()
	if err != nil {
		return nil, err
	}
	o := c.carts.o
	args := []string{
		mode, id, strconv.Itoa(maxOnce), milliseconds(o.TTL), strconv.Itoa(o.MaxLines), strconv.Itoa(o.MaxQuantity),
	}
	for _, product := range slices.Sorted(maps.Keys(quantities)) {
		args = append(args, product, strconv.Itoa(quantities[product]))
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	result, err := onceScript.Run(ctx, c.carts.client, []string{keys.lines, keys.once}, args...).AsStrSlice()
	if err != nil {
		return nil, unavailable("change cart", err)
	}
	dropped, err := parseLines(result)
	if err != nil || len(dropped) == 0 {
		return nil, unavailable("change cart", err)
	}
	return dropped, nil
}

// KEYS: lines, moving, target. ARGV: id, owner of the other cart, TTL in ms. It returns id, owner, product, quantity
// ... of the lines that are set aside, by this call or by an earlier one. It returns nothing if there are no lines.
var setAsideScript = redisscript.NewRetryable(`
if redis.call('EXISTS', KEYS[3]) == 0 then
  if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
  redis.call('RENAME', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[3], 'id', ARGV[1], 'to', ARGV[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
  redis.call('PEXPIRE', KEYS[3], ARGV[3])
end
local result = redis.call('HMGET', KEYS[3], 'id', 'to')
for _, text in ipairs(redis.call('HGETALL', KEYS[2])) do result[#result + 1] = text end
return result`)

// setAside sets the lines of this cart aside, to move them to the cart of another owner. If an earlier call did so, it
// returns the id, the owner and the lines of that call. If there is nothing to move, id is "".
func (c *Cart) setAside(ctx context.Context, to string) (id, target string, lines map[string]int, err error) {
	keys, err := c.keys()
	if err != nil {
		return "", "", nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.carts.o.Timeout)
	defer cancel()
	result, err := setAsideScript.Run(ctx, c.carts.client, []string{keys.lines, keys.moving, keys.target},
		rand.Text(), to, milliseconds(c.carts.o.TTL)).AsStrSlice()
	if err != nil || len(result) < 2 {
		return "", "", nil, unavailable("set cart aside", err)
	}
	if lines, err = parseLines(result[2:]); err != nil {
		return "", "", nil, unavailable("set cart aside", err)
	}
	return result[0], result[1], lines, nil
}

// parseLines parses product, quantity ...
func parseLines(words []string) (map[string]int, error) {
	lines := map[string]int{}
	for line := range slices.Chunk(words, 2) {
		n, err := strconv.Atoi(line[len(line)-1])
		if err != nil || len(line) != 2 {
			return nil, fmt.Errorf("malformed line %q", line)
		}
		lines[line[0]] = n
	}
	return lines, nil
}

// KEYS: moving, target. ARGV: id.
var deleteSetAsideScript = redisscript.NewRetryable(`
if redis.call('HGET', KEYS[2], 'id') == ARGV[1] then redis.call('DEL', KEYS[1], KEYS[2]) end
return 1`)

// deleteSetAside deletes the lines that were set aside under an id, unless another call has done so.
func (c *Cart) deleteSetAside(ctx context.Context, id string) error {
	keys, err := c.keys()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.carts.o.Timeout)
	defer cancel()
	err = deleteSetAsideScript.Run(ctx, c.carts.client, []string{keys.moving, keys.target}, id).Error()
	return unavailable("delete moved lines", err)
}
