-- members: the nodes whose L1 may hold entries. An invalidation is confirmed when each has answered, or is expelled and its
-- lease has run out. If the list was lost, nodes that nobody knows may still serve: '~' and the time stand for them, already
-- expelled; the time keeps a late removal from striking off those of a later loss.
-- ARGV: verb, nodes...
local run = server()
if redis.call('HGET', KEYS[1], 'run') ~= run then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'run', run, '~' .. str(now), '0')
end
local verb = ARGV[1]
if verb == 'renew' then
  if redis.call('HGET', KEYS[1], ARGV[2]) == '1' then return 1 end
  return 0
end
if verb == 'join' then redis.call('HSET', KEYS[1], ARGV[2], '1') end
if verb == 'join' or verb == 'list' then
  local all, list = redis.call('HGETALL', KEYS[1]), {}
  for i = 1, #all, 2 do
    if all[i] ~= 'run' then
      list[#list + 1] = all[i]
      list[#list + 1] = all[i + 1]
    end
  end
  return list
end
for i = 2, #ARGV do
  if verb == 'remove' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  elseif redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then
    redis.call('HSET', KEYS[1], ARGV[i], '0')
  end
end
return 0
