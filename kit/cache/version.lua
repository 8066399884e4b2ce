-- version returns epoch and generation of an object, and the position that a load has to reach. It keeps them for a
-- while.
-- ARGV: new epoch, tombstone ms, max lag us
local ep, seq, hi, born = meta(ARGV[1])
local e = redis.call('HMGET', KEYS[2], 'ep', 'gen', 'pos')
local gen, pos = e[2], e[3]
if e[1] ~= ep then
  redis.call('DEL', KEYS[2])
  gen, pos = seq, hi
  redis.call('HSET', KEYS[2], 'ep', ep, 'gen', gen, 'pos', pos)
end
keep_alive(tonumber(ARGV[2]))
if now - born < tonumber(ARGV[3]) then pos = string.rep('f', 32) end
return {ep, gen, pos}
