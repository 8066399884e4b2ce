-- Grants tokens of one caller, by the clock of the store. KEYS[1] is a hash:
--
--   level, at    GCRA as the continuous-state leaky bucket of ITU-T I.371: requests in the bucket at time `at` in µs
--   other names  the lease of a gateway, by its ID: "tokens end"
--
-- A leased token fills the bucket. It does not drain until it is known to be spent, or may have been spent. So
-- level + leased tokens <= burst at any time, and requests in any time t are at most rate * t + burst.
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2]) -- µs per request, requests
local needed, lease, spent = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local leaseID, returning = ARGV[6], ARGV[7]
local lifetime, portion = tonumber(ARGV[8]), tonumber(ARGV[9]) -- of a lease in µs; tokens, see the end of the script

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local state = redis.pcall('HGETALL', KEYS[1])
if state.err then -- the key has another type
  redis.call('DEL', KEYS[1])
  state = {}
end

local level, at, leased = 0, now, 0
local returned, expired, expiry = 0, 0, 0
for i = 1, #state, 2 do
  local field, value = state[i], state[i + 1]
  if field == 'level' then
    level = tonumber(value) or 0
  elseif field == 'at' then
    at = tonumber(value) or now
  else
    local tokens, ends = string.match(value, '^(%d+) (%d+)$')
    tokens, ends = tonumber(tokens) or 0, tonumber(ends) or 0
    if field == returning then
      returned = math.min(spent, tokens)
      redis.call('HDEL', KEYS[1], field)
    elseif ends > now and ends <= now + lifetime then -- the second test ends leases after the clock jumped back
      leased = leased + tokens
    else -- the gateway did not return the lease: count all its tokens as spent, at the latest possible time
      expired = expired + tokens
      expiry = math.max(expiry, math.min(ends, now))
      redis.call('HDEL', KEYS[1], field)
    end
  end
end
if expired > 0 then
  level = math.max(0, level - math.max(0, expiry - at) / interval) + expired
  at = math.max(at, expiry)
end
level = math.max(0, level - math.max(0, now - at) / interval) + returned

-- Waiting requests come first. All leases together hold at most a quarter of the burst. Each new lease gets at most half of
-- what is left of that quarter, so that the next gateway gets some tokens, too.
local free = math.max(0, math.floor(burst - level - leased + 1e-6))
local granted = math.min(needed, free)
local newlease = math.max(0, math.min(lease, free - granted, math.floor((burst / 4 - leased) / 2)))
level, leased = level + granted, leased + newlease
local number = function(n) return string.format('%.17g', n) end
redis.call('HSET', KEYS[1], 'level', number(level), 'at', number(now))
if newlease > 0 then
  redis.call('HSET', KEYS[1], leaseID, number(newlease) .. ' ' .. number(now + lifetime))
end
local ttl = (level + leased) * interval
if leased > 0 then
  ttl = ttl + lifetime
end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(ttl / 1000) + 1))

-- Without free tokens, tell the gateway when to ask again: when one token is free, or a portion that collects in a short time.
local wait = 0
if free == granted + newlease then
  portion = math.max(1, math.min(portion, lease))
  wait = math.ceil(math.max(0, level + leased + portion - burst) * interval)
end
return {granted, newlease, wait}
