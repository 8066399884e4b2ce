package idempotent

import "github.com/tenfold-go/tenfold/kit/redisscript"

// A claim is a Redis hash:
//
//	print   fingerprint of the request. A request with another one is not a repetition
//	owner   random token of the gateway that runs the request, or has run it
//	lease   time until which no other gateway may run it, in ms since 1970 by the clock of the store
//	answer  the recorded result; missing while the request runs
//
// A lease that has expired keeps the other fields, so that the next owner must bring the same request. Each script starts with
// ARGV: owner, print. Each script is idempotent.
var (
	// ARGV[3...]: lease in ms, how long to keep the claim in ms. The first value of the reply is a claimState.
	takeScript = redisscript.New(redisscript.Now, prelude, `
local held = redis.call('HMGET', k, 'print', 'owner', 'lease', 'answer')
if held[1] and held[1] ~= ARGV[2] then return {4} end
if held[4] then return {3, held[4]} end
local state = 0
if held[2] and held[2] ~= ARGV[1] then
  local remaining = tonumber(held[3]) - now()
  if remaining > 0 then return {2, remaining} end
  state = 1
end
hold(ARGV[3], ARGV[4])
return {state}`)

	// ARGV[3...]: as for takeScript.
	renewScript = redisscript.New(redisscript.Now, prelude, `
local held = redis.call('HMGET', k, 'owner', 'answer')
if held[2] or held[1] and held[1] ~= ARGV[1] then return {0} end
hold(ARGV[3], ARGV[4])
return {1}`)

	// ARGV[3...]: result, how long to keep it in ms.
	completeScript = redisscript.New(redisscript.Now, prelude, `
local owner = redis.call('HGET', k, 'owner')
if owner and owner ~= ARGV[1] then return {0} end
redis.call('HSET', k, 'print', ARGV[2], 'owner', ARGV[1], 'answer', ARGV[3])
redis.call('PEXPIRE', k, ARGV[4])
return {1}`)

	releaseScript = redisscript.New(redisscript.Now, prelude, `
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
