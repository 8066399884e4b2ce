package session

import "github.com/tenfold-go/tenfold/kit/redisscript"

// A session is a Redis hash. Fields that begin with "_" are ours, all others are the service's, as JSON:
//
//	_t  hash of the token                 _a  when it ends at the latest, in ms since 1970
//	_u  user, or ""                       _x  when it ends if it is not used, likewise
//	_g  the user's generation at login    _b  bytes of the service's fields, names and values
//
// A hash without _t is the mark that End leaves for a while. The view for Grace is a copy under the second key.
//
// Every script begins with ARGV: hash of the request's token, idle time in ms, most fields, most bytes.
const prelude = `
local s = KEYS[1]

-- standing says whether the token may write: 1 yes, 0 the session is gone, -1 the token was replaced.
local function standing()
  local hash = redis.call('HGET', s, '_t')
  if not hash then return 0 end
  if hash ~= ARGV[1] then return -1 end
  return 1
end

local function extend()
  local last = tonumber(redis.call('HGET', s, '_a'))
  local expiry = string.format('%.0f', math.min(now() + tonumber(ARGV[2]), last))
  redis.call('HSET', s, '_x', expiry)
  redis.call('PEXPIREAT', s, expiry)
end

-- apply writes the changes that begin at ARGV[first], all or none: how many sets, name, value ..., then names to delete.
local function apply(first)
  local last = first + 2 * tonumber(ARGV[first])
  local fields, bytes = redis.call('HLEN', s) - 6, tonumber(redis.call('HGET', s, '_b'))
  local hadFields, hadBytes = fields, bytes
  for i = first + 1, last, 2 do
    local old = redis.call('HSTRLEN', s, ARGV[i])
    if old == 0 then fields, bytes = fields + 1, bytes + #ARGV[i] end
    bytes = bytes - old + #ARGV[i + 1]
  end
  for i = last + 1, #ARGV do
    local old = redis.call('HSTRLEN', s, ARGV[i])
    if old > 0 then fields, bytes = fields - 1, bytes - old - #ARGV[i] end
  end
  if fields > math.max(tonumber(ARGV[3]), hadFields) or bytes > math.max(tonumber(ARGV[4]), hadBytes) then return -2 end
  for i = first + 1, last, 2 do redis.call('HSET', s, ARGV[i], ARGV[i + 1]) end
  for i = last + 1, #ARGV do redis.call('HDEL', s, ARGV[i]) end
  redis.call('HSET', s, '_b', string.format('%.0f', bytes))
  return 1
end
`

// What the scripts answer.
const (
	done       = 1
	gone       = 0
	replacedBy = -1 // another token
	overLimit  = -2
	otherUser  = -3
	overtaken  = -4
)

var (
	// ARGV[5...]: user, generation, absolute lifetime in ms, changes.
	createScript = redisscript.NewRetryable(redisscript.Now, prelude, `
if redis.call('EXISTS', s) == 1 then return standing() end
local last = string.format('%.0f', now() + tonumber(ARGV[7]))
redis.call('HSET', s, '_t', ARGV[1], '_u', ARGV[5], '_g', ARGV[6], '_a', last, '_x', last, '_b', '0')
local answer = apply(8)
if answer ~= 1 then redis.call('DEL', s) return answer end
extend()
return 1`)

	// ARGV[5...]: changes; none make it a touch.
	saveScript = redisscript.NewRetryable(redisscript.Now, prelude, `
local answer = standing()
if answer == 1 and #ARGV > 4 then answer = apply(5) end
if answer == 1 then extend() end
return answer`)

	// ARGV[5...]: the value that the field must have, "" for none, then a change of that field. JSON is never empty.
	swapScript = redisscript.New(redisscript.Now, prelude, `
local answer = standing()
if answer ~= 1 then return {answer} end
local value = redis.call('HGET', s, ARGV[7]) or ''
if value ~= ARGV[5] then return {-4, value} end
answer = apply(6)
if answer == 1 then extend() end
return {answer}`)

	// KEYS[2]: the grace view. ARGV[5...]: new hash, grace in ms, user or "" for as it is, generation, absolute lifetime in
	// ms, changes.
	renewScript = redisscript.NewRetryable(redisscript.Now, prelude, `
if redis.call('HGET', s, '_t') == ARGV[5] then return 1 end
local answer = standing()
if answer ~= 1 then return answer end
local user = redis.call('HGET', s, '_u')
if ARGV[7] ~= '' and user ~= '' and user ~= ARGV[7] then return -3 end
local grace = math.min(tonumber(ARGV[6]), redis.call('PTTL', s))
redis.call('DEL', KEYS[2])
if grace > 0 then
  redis.call('COPY', s, KEYS[2])
  redis.call('PEXPIRE', KEYS[2], string.format('%.0f', grace))
end
answer = apply(10)
if answer ~= 1 then redis.call('DEL', KEYS[2]) return answer end
redis.call('HSET', s, '_t', ARGV[5])
if ARGV[7] ~= '' then
  redis.call('HSET', s, '_u', ARGV[7], '_g', ARGV[8], '_a', string.format('%.0f', now() + tonumber(ARGV[9])))
end
extend()
return 1`)

	// KEYS[2]: the grace view. ARGV[1]: life of the mark in ms.
	endScript = redisscript.NewRetryable(`
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], '_end', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`)
)
