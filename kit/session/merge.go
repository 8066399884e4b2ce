package session

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/tenfold-go/tenfold/kit/redisscript"
)

// Take takes what was ordered out of the cart; what was added meanwhile stays. It does so once for each op, the order's id
// for example, however often and late it is repeated within Life; so an order that is retried after a crash may call it again.
// A cart remembers its last 4,096 orders and merges.
//
// Errors: ErrInvalid for an empty op or a quantity below 1.
func (c *Cart) Take(ctx context.Context, quantities map[string]int, op string) error {
	if err := checkText("operation", op, maxOp); err != nil {
		return err
	}
	for product, n := range quantities {
		if n < 1 {
			return fmt.Errorf("quantity %d of %q is below 1: %w", n, product, ErrInvalid)
		}
	}
	_, err := c.once(ctx, "take", op, quantities)
	return err
}

// Merge moves the lines of another cart into this one, exactly once, however often and from however many nodes it is called:
// at login, from the guest's cart into the user's. Quantities add up. What does not fit, because a quantity would pass
// MaxQuantity or the cart MaxLines, is dropped and returned by the call that did it.
//
// The two carts may be on different servers, so the move has three steps: the lines are set aside in the other cart under a
// new id, added here under that id, and forgotten there. Merge finishes what an earlier call left, also one into another
// cart. What is added to the other cart while it moves stays there until the next Merge, so calling Merge whenever a user's
// cart is shown loses nothing; it is one round trip when there is nothing to move.
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
		left, err := c.carts.Of(target).once(ctx, "add", id, lines)
		if err != nil {
			return dropped, err
		}
		if err := other.forget(ctx, id); err != nil {
			return dropped, err
		}
		if target == c.owner {
			return left, nil
		}
	}
}

// maxOnce bounds the ids that a cart remembers. The oldest one makes room: to refuse would block a customer who orders all the
// time, and what is repeated is repeated sooner than after so many others.
const maxOnce = 4096

// KEYS: lines, ids. ARGV: take or add, id, most ids, life in ms, most lines, most of one, then product, quantity ...
// Answers a verdict, then product, quantity of what did not fit. An id is kept longer than lines that are set aside.
var onceScript = redisscript.NewRetryable(`
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local life = tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now - 2 * life))
if redis.call('ZSCORE', KEYS[2], ARGV[2]) then return {'1'} end
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, '-' .. ARGV[3])
local answer = {'1'}
for i = 7, #ARGV, 2 do
  local has, n = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '0'), tonumber(ARGV[i + 1])
  local sum = has - n
  if ARGV[1] == 'add' then
    sum = math.max(has, math.min(has + n, tonumber(ARGV[6])))
    if has == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then sum = 0 end
    if sum < has + n then
      answer[#answer + 1] = ARGV[i]
      answer[#answer + 1] = string.format('%.0f', has + n - sum)
    end
  end
  if sum > 0 then
    redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f', sum))
  else
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[2], string.format('%.0f', now), ARGV[2])
redis.call('PEXPIRE', KEYS[2], string.format('%.0f', 2 * life))
return answer`)

// once adds or takes quantities, unless it was done before under this id. It returns what did not fit.
func (c *Cart) once(ctx context.Context, mode, id string, quantities map[string]int) (map[string]int, error) {
	keys, err := c.keys()
	if err != nil {
		return nil, err
	}
	o := c.carts.o
	args := []string{mode, id, strconv.Itoa(maxOnce), milliseconds(o.Life), strconv.Itoa(o.MaxLines), strconv.Itoa(o.MaxQuantity)}
	for _, product := range slices.Sorted(maps.Keys(quantities)) {
		args = append(args, product, strconv.Itoa(quantities[product]))
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	answer, err := onceScript.Run(ctx, c.carts.client, []string{keys.lines, keys.once}, args...).AsStrSlice()
	if err != nil {
		return nil, unavailable("change cart", err)
	}
	code, err := strconv.ParseInt(answer[0], 10, 64)
	if err := verdict("change cart", code, err); err != nil {
		return nil, err
	}
	var left map[string]int
	for line := range slices.Chunk(answer[1:], 2) {
		if left == nil {
			left = map[string]int{}
		}
		left[line[0]], _ = strconv.Atoi(line[1])
	}
	return left, nil
}

// KEYS: lines, out, way. ARGV: id, owner of the other cart, life in ms. Answers id, owner, product, quantity ... of what is
// set aside, which may be from an earlier call, or nothing.
var setAsideScript = redisscript.NewRetryable(`
if redis.call('EXISTS', KEYS[3]) == 0 then
  if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
  redis.call('RENAME', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[3], 'id', ARGV[1], 'to', ARGV[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
  redis.call('PEXPIRE', KEYS[3], ARGV[3])
end
local answer = redis.call('HMGET', KEYS[3], 'id', 'to')
for _, text in ipairs(redis.call('HGETALL', KEYS[2])) do answer[#answer + 1] = text end
return answer`)

// setAside freezes the lines of this cart on their way into another one.
func (c *Cart) setAside(ctx context.Context, to string) (id, target string, lines map[string]int, err error) {
	keys, err := c.keys()
	if err != nil {
		return "", "", nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.carts.o.Timeout)
	defer cancel()
	answer, err := setAsideScript.Run(ctx, c.carts.client, []string{keys.lines, keys.out, keys.way},
		rand.Text(), to, milliseconds(c.carts.o.Life)).AsStrSlice()
	if err != nil || len(answer) == 0 {
		return "", "", nil, unavailable("set cart aside", err)
	}
	lines = map[string]int{}
	for line := range slices.Chunk(answer[2:], 2) {
		if lines[line[0]], err = strconv.Atoi(line[1]); err != nil {
			return "", "", nil, unavailable("set cart aside", err)
		}
	}
	return answer[0], answer[1], lines, nil
}

// KEYS: out, way. ARGV: id.
var forgetScript = redisscript.NewRetryable(`
if redis.call('HGET', KEYS[2], 'id') == ARGV[1] then redis.call('DEL', KEYS[1], KEYS[2]) end
return 1`)

// forget drops the lines that were set aside under an id, if they still are.
func (c *Cart) forget(ctx context.Context, id string) error {
	keys, err := c.keys()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.carts.o.Timeout)
	defer cancel()
	err = forgetScript.Run(ctx, c.carts.client, []string{keys.out, keys.way}, id).Error()
	return unavailable("forget moved cart", err)
}
