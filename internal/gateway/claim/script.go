package claim

import "github.com/tenfold-go/tenfold/kit/redisscript"

// A claim is a Redis hash:
//
//	print   the request's; what comes with another one is not a repetition of it
//	owner   a random token of who works on it, or has done it
//	lease   until when nobody else may, in ms since 1970 by the store's clock
//	answer  what it was answered; there is none while it is worked on
//
// A lease that ran out leaves the rest in place, so that a successor must bring the same request. Every script begins with
// ARGV: owner, print. Each does the same when it runs again.
var (
	// ARGV[3...]: lease in ms, how long to keep the claim in ms. The answers are those of State.
	takeScript = redisscript.New(redisscript.Now, prelude, `
local held = redis.call('HMGET', k, 'print', 'owner', 'lease', 'answer')
if held[1] and held[1] ~= ARGV[2] then return {4} end
if held[4] then return {3, held[4]} end
local state = 0
if held[2] and held[2] ~= ARGV[1] then
  local left = tonumber(held[3]) - now()
  if left > 0 then return {2, left} end
  state = 1
end
hold(ARGV[3], ARGV[4])
return {state}`)

	// ARGV[3...]: as above.
	renewScript = redisscript.New(redisscript.Now, prelude, `
local held = redis.call('HMGET', k, 'owner', 'answer')
if held[2] or held[1] and held[1] ~= ARGV[1] then return {0} end
hold(ARGV[3], ARGV[4])
return {1}`)

	// ARGV[3...]: answer, how long to keep it in ms.
	completeScript = redisscript.New(redisscript.Now, prelude, `
local owner = redis.call('HGET', k, 'owner')
if owner and owner ~= ARGV[1] then return {0} end
redis.call('HSET', k, 'print', ARGV[2], 'owner', ARGV[1], 'answer', ARGV[3])
redis.call('PEXPIRE', k, ARGV[4])
return {1}`)

	abandonScript = redisscript.New(redisscript.Now, prelude, `
local held = redis.call('HMGET', k, 'owner', 'answer')
if held[1] == ARGV[1] and not held[2] then redis.call('DEL', k) end
return {1}`)
)

const prelude = `
local k = KEYS[1]

local function hold(lease, keep)
  local till = string.format('%.0f', now() + tonumber(lease))
  redis.call('HSET', k, 'print', ARGV[2], 'owner', ARGV[1], 'lease', till)
  redis.call('PEXPIRE', k, keep)
end
`
