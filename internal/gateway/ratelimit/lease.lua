-- Gives out tokens of one caller, under the store's clock. KEYS[1] is a hash:
--
--   level, at   GCRA as the continuous-state leaky bucket of ITU-T I.371: requests that fill the bucket, at that time in µs
--   other       a lease that a gateway holds: "tokens ends"
--
-- A leased token fills the bucket and does not drain until it is known to be spent, or may have been. So at every moment
-- level + leases <= burst, and what is spent in any time t is at most rate * t + burst.
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2]) -- µs per request, requests
local need, extra, spent = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local lease, closing = ARGV[6], ARGV[7]
local hold, portion = tonumber(ARGV[8]), tonumber(ARGV[9]) -- how long a lease is kept, µs; see below

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local state = redis.pcall('HGETALL', KEYS[1])
if state.err then -- not ours
  redis.call('DEL', KEYS[1])
  state = {}
end

local level, at, held = 0, now, 0
local returned, lost, ended = 0, 0, 0
for i = 1, #state, 2 do
  local field, value = state[i], state[i + 1]
  if field == 'level' then
    level = tonumber(value) or 0
  elseif field == 'at' then
    at = tonumber(value) or now
  else
    local tokens, ends = string.match(value, '^(%d+) (%d+)$')
    tokens, ends = tonumber(tokens) or 0, tonumber(ends) or 0
    if field == closing then
      returned = math.min(spent, tokens)
      redis.call('HDEL', KEYS[1], field)
    elseif ends > now and ends <= now + hold then -- a clock that jumps back does not keep leases
      held = held + tokens
    else -- nobody has said what was spent: all of it, as late as possible
      lost = lost + tokens
      ended = math.max(ended, math.min(ends, now))
      redis.call('HDEL', KEYS[1], field)
    end
  end
end
if lost > 0 then
  level = math.max(0, level - math.max(0, ended - at) / interval) + lost
  at = math.max(at, ended)
end
level = math.max(0, level - math.max(0, now - at) / interval) + returned

-- Those that wait come first. Leases hold at most a quarter of the burst together, and each gateway half of what is left of
-- that, so that there is something for the next one.
local free = math.max(0, math.floor(burst - level - held + 1e-6))
local granted = math.min(need, free)
local leased = math.max(0, math.min(extra, free - granted, math.floor((burst / 4 - held) / 2)))
level, held = level + granted, held + leased
local number = function(n) return string.format('%.17g', n) end
redis.call('HSET', KEYS[1], 'level', number(level), 'at', number(now))
if leased > 0 then
  redis.call('HSET', KEYS[1], lease, number(leased) .. ' ' .. number(now + hold))
end
local keep = (level + held) * interval
if held > 0 then
  keep = keep + hold
end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(keep / 1000) + 1))

-- When nothing is left, the next portion is worth asking for: one token, or what gathers in a short time.
local wait = 0
if free == granted + leased then
  portion = math.max(1, math.min(portion, extra))
  wait = math.ceil(math.max(0, level + held + portion - burst) * interval)
end
return {granted, leased, wait}
