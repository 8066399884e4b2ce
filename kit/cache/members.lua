-- members keeps the nodes whose level 1 may hold entries: for each the time of its last renewal, with a '-' in front if
-- it is evicted. An invalidation is confirmed when each node has acknowledged it, or is evicted and its lease has ended.
-- Processes tell from the time of the renewal how long they have known it, by their own clocks: the clock of the server
-- may be set.
--
-- If the list was lost, unknown nodes may still serve. An evicted node stands for them, whose name is '~' and the time.
-- With the time in its name, a late removal does not remove the nodes of a later loss.
--
-- The list also keeps the settings of the nodes. A process with other settings may neither join nor read the list while
-- a node with the stored settings may still serve.
-- ARGV: verb, settings, lease ms, nodes...
local run, own = server(), {run = true, settings = true, lease = true}
if redis.call('HGET', KEYS[1], 'run') ~= run then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'run', run, '~' .. str(now), '-' .. str(now))
end
local function evicted(renewed) return string.sub(renewed, 1, 1) == '-' end
local verb = ARGV[1]
if verb == 'renew' then
  local renewed = redis.call('HGET', KEYS[1], ARGV[4])
  if not renewed or evicted(renewed) then return 0 end
  redis.call('HSET', KEYS[1], ARGV[4], str(now))
  return 1
end
if verb == 'join' or verb == 'list' then
  local lease = tonumber(redis.call('HGET', KEYS[1], 'lease') or ARGV[3])
  local settings = redis.call('HGET', KEYS[1], 'settings')
  local all, list = redis.call('HGETALL', KEYS[1]), {'', ''}
  local differ = settings and settings ~= ARGV[2]
  for i = 1, #all, 2 do
    if not own[all[i]] then
      local renewed = all[i + 1]
      -- A node with other settings that has not renewed for its whole lease has stopped serving. It may not renew
      -- again.
      if differ and not evicted(renewed) then
        if now - renewed < lease * 1000 then return {settings, str(lease)} end
        renewed = '-' .. renewed
        redis.call('HSET', KEYS[1], all[i], renewed)
      end
      list[#list + 1] = all[i]
      list[#list + 1] = renewed
    end
  end
  lease = math.max(lease, tonumber(ARGV[3])) -- evicted nodes may have the longer one
  list[2] = str(lease)
  if verb == 'join' then
    redis.call('HSET', KEYS[1], 'settings', ARGV[2], 'lease', str(lease), ARGV[4], str(now))
    list[#list + 1] = ARGV[4]
    list[#list + 1] = str(now)
  end
  return list
end
for i = 4, #ARGV do
  if verb == 'remove' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    local renewed = redis.call('HGET', KEYS[1], ARGV[i])
    if renewed and not evicted(renewed) then redis.call('HSET', KEYS[1], ARGV[i], '-' .. renewed) end
  end
end
return 0
