-- The lease of one task. KEYS[1] is a hash:
--
--   holder, until   who may run the task, until when (ms)
--   fence           a number that rises with each lease
--   d:VERSION:WHO   "UNTIL AT": WHO has this version, which was done at AT, and says so until UNTIL
--
-- ARGV: operation, who, version, and by operation
--   take    since, lease, presence     -> {"run", fence} | {"done", 0} | {"wait", ms}; since: only what was done later counts
--   renew   fence, lease               -> 1, or 0 when the lease is lost
--   finish  fence, presence            -> 1, or 0 when the lease is lost
--   give    fence                      -> 1, or 0 when the lease is lost
--   stay    presence                   -> 1
--   leave                              -> 1
local operation, who, version = ARGV[1], ARGV[2], ARGV[3]
local key = KEYS[1]
local time = now()

local function holds(fence)
  return redis.call('HGET', key, 'holder') == who and redis.call('HGET', key, 'fence') == fence
end
local function number(field)
  return tonumber(redis.call('HGET', key, field) or '') or 0
end
local function write(...)
  redis.call('HSET', key, ...)
  redis.call('PEXPIRE', key, '604800000') -- a week: longer than any holder can be stopped and go on
end
-- have says that WHO has the version, and that it has no other one.
local function have(at, presence)
  local fields = redis.call('HKEYS', key)
  for _, field in ipairs(fields) do
    if string.sub(field, 1, 2) == 'd:' and string.sub(field, -#who - 1) == ':' .. who then
      redis.call('HDEL', key, field)
    end
  end
  write('d:' .. version .. ':' .. who, string.format('%.0f %.0f', time + presence, at))
end

if operation == 'take' then
  local since, lease, presence = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
  local state, done = redis.call('HGETALL', key), nil
  for i = 1, #state, 2 do
    local field, value = state[i], state[i + 1]
    if string.sub(field, 1, 2) == 'd:' then
      local ends, at = string.match(value, '^(%d+) (%d+)$')
      ends, at = tonumber(ends) or 0, tonumber(at) or 0
      if ends <= time then
        redis.call('HDEL', key, field)
      elseif string.sub(field, 1, 3 + #version) == 'd:' .. version .. ':' and at > since then
        done = math.max(done or 0, at)
      end
    end
  end
  if done then
    have(done, presence)
    return {'done', 0, time}
  end
  local left = number('until') - time
  if redis.call('HGET', key, 'holder') and left > 0 then
    return {'wait', left, time}
  end
  local fence = number('fence') + 1
  write('holder', who, 'until', string.format('%.0f', time + lease), 'fence', string.format('%.0f', fence))
  return {'run', fence, time}
elseif operation == 'renew' then
  if not holds(ARGV[4]) then
    return 0
  end
  write('until', string.format('%.0f', time + tonumber(ARGV[5])))
elseif operation == 'finish' then
  if not holds(ARGV[4]) then
    return 0
  end
  redis.call('HDEL', key, 'holder', 'until')
  have(time, tonumber(ARGV[5]))
elseif operation == 'give' then
  if not holds(ARGV[4]) then
    return 0
  end
  redis.call('HDEL', key, 'holder', 'until')
elseif operation == 'stay' then
  local _, at = string.match(redis.call('HGET', key, 'd:' .. version .. ':' .. who) or '', '^(%d+) (%d+)$')
  have(tonumber(at) or time, tonumber(ARGV[4]))
elseif operation == 'leave' then
  redis.call('HDEL', key, 'd:' .. version .. ':' .. who)
end
return 1
