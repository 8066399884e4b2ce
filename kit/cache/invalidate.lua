-- invalidate: a new generation, no value, no lease, and every node hears of it.
-- ARGV: fresh epoch, position, tombstone ms, channel, message
local ep, seq, hi = meta(ARGV[1])
local gen = redis.call('HINCRBY', KEYS[1], 'seq', 1)
if ARGV[2] > hi then redis.call('HSET', KEYS[1], 'hi', ARGV[2]) end
local e = redis.call('HMGET', KEYS[2], 'ep', 'pos')
local pos = ARGV[2]
if e[1] == ep then
  if e[2] and e[2] > pos then pos = e[2] end
elseif hi > pos then
  pos = hi
end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'ep', ep, 'gen', str(gen), 'pos', pos)
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return str(gen)
