package session

import (
	"time"

	"github.com/tenfold-go/tenfold/kit/redisscript"
)

// endedTTL is the time for which the store remembers that a session has ended. A request that was in flight at the
// logout gets ErrGone. Without the mark, its write would create a new session, whose cookie could replace the cookie of
// a new login.
const endedTTL = time.Minute

// A session is a Redis hash. Names that begin with "_" are reserved; all other fields are those of the service, as
// JSON:
//
//	_t  hash of the token                 _a  the latest end, in ms since 1970
//	_u  user, or ""                       _x  the end if the session is not used, in ms since 1970
//	_g  the user's generation at login    _b  bytes of the service's fields, names and values
//
// A hash without _t is the mark of an ended session. The copy that a replaced token can read for Grace has the second
// key.
//
// prelude is common to the scripts. They begin with ARGV: hash of the request's token, Idle in ms, MaxFields, MaxBytes.
const prelude = `
local s = KEYS[1]

-- access returns 1 if the token may write, 0 if the session is gone, -1 if the token was replaced.
local function access()
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

-- apply writes all changes or none. They begin at ARGV[first]: number of new values, name, value ..., names to delete.
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

// The result codes of the scripts.
const (
	done          = 1
	gone          = 0
	tokenReplaced = -1
	limitReached  = -2
	otherUser     = -3
	otherValue    = -4
)

var (
	// ARGV[5...]: user, generation, Absolute in ms, changes.
	createScript = redisscript.NewRetryable(redisscript.Now, prelude, `
if redis.call('EXISTS', s) == 1 then return access() end
local last = string.format('%.0f', now() + tonumber(ARGV[7]))
redis.call('HSET', s, '_t', ARGV[1], '_u', ARGV[5], '_g', ARGV[6], '_a', last, '_x', last, '_b', '0')
local result = apply(8)
if result ~= 1 then redis.call('DEL', s) return result end
extend()
return 1`)

	// ARGV[5...]: changes. Without changes it extends the idle time.
	saveScript = redisscript.NewRetryable(redisscript.Now, prelude, `
local result = access()
if result == 1 and #ARGV > 4 then result = apply(5) end
if result == 1 then extend() end
return result`)

	// ARGV[5...]: the value that the field must have, or "" if it must not be set; a change of that field. JSON is
	// never empty. It returns a result code, and the value of the field if it is another one.
	swapScript = redisscript.New(redisscript.Now, prelude, `
local result = access()
if result ~= 1 then return {result} end
local value = redis.call('HGET', s, ARGV[7]) or ''
if value ~= ARGV[5] then return {-4, value} end
result = apply(6)
if result == 1 then extend() end
return {result}`)

	// KEYS[2]: the copy for Grace. ARGV[5...]: new hash, Grace in ms, user or "" for the present one, generation,
	// Absolute in ms, changes.
	renewScript = redisscript.NewRetryable(redisscript.Now, prelude, `
if redis.call('HGET', s, '_t') == ARGV[5] then return 1 end
local result = access()
if result ~= 1 then return result end
local user = redis.call('HGET', s, '_u')
if ARGV[7] ~= '' and user ~= '' and user ~= ARGV[7] then return -3 end
local grace = math.min(tonumber(ARGV[6]), redis.call('PTTL', s))
redis.call('DEL', KEYS[2])
if grace > 0 then
  redis.call('COPY', s, KEYS[2])
  redis.call('PEXPIRE', KEYS[2], string.format('%.0f', grace))
end
result = apply(10)
if result ~= 1 then redis.call('DEL', KEYS[2]) return result end
redis.call('HSET', s, '_t', ARGV[5])
if ARGV[7] ~= '' then
  redis.call('HSET', s, '_u', ARGV[7], '_g', ARGV[8], '_a', string.format('%.0f', now() + tonumber(ARGV[9])))
end
extend()
return 1`)

	// KEYS[2]: the copy for Grace. ARGV[1]: endedTTL in ms.
	endScript = redisscript.NewRetryable(`
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], '_end', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`)
)
