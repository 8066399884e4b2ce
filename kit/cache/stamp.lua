-- stamp: the generation of a tag, and the position that a load has to reach.
-- ARGV: fresh epoch, tombstone ms, max lag us
local ep, seq, hi, born = meta(ARGV[1])
local e = redis.call('HMGET', KEYS[2], 'ep', 'gen', 'pos')
local gen, pos = e[2], e[3]
if e[1] ~= ep then
  redis.call('DEL', KEYS[2])
  gen, pos = seq, hi
  redis.call('HSET', KEYS[2], 'ep', ep, 'gen', gen, 'pos', pos)
end
live(tonumber(ARGV[2]))
if now - born < tonumber(ARGV[3]) then pos = string.rep('f', 32) end
return {ep .. ':' .. gen, pos}
