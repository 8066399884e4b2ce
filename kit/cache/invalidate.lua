-- invalidate raises the generation, drops value and lease, and publishes the invalidation.
-- ARGV: new epoch, position, tombstone ms, channel, message
--
-- With further arguments it stores the value of a write under the new generation, if no invalidation has come in since
-- the write reserved epoch and generation. It returns 1 if the value is stored, else 0.
-- ARGV: ..., token, epoch, generation, value, fresh ms, keep ms, tags
local ep, seq, hi = meta(ARGV[1])
local e = redis.call('HMGET', KEYS[2], 'ep', 'pos', 'gen', 'by')
if ARGV[6] and e[1] == ep and e[4] == ARGV[6] then -- a repetition: the reply was lost
  redis.call('PUBLISH', ARGV[4], ARGV[5])
  return 1
end
local gen = redis.call('HINCRBY', KEYS[1], 'seq', 1)
if ARGV[2] > hi then redis.call('HSET', KEYS[1], 'hi', ARGV[2]) end
local pos, current = ARGV[2], e[1] == ep
local set = ARGV[6] and current and ARGV[7] == ep and ARGV[8] == e[3] and ARGV[2] >= (e[2] or '')
if current then
  if e[2] and e[2] > pos then pos = e[2] end
elseif hi > pos then
  pos = hi
end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'ep', ep, 'gen', str(gen), 'pos', pos)
if set then
  redis.call('HSET', KEYS[2], 'by', ARGV[6], 'val', ARGV[9], 'neg', '0', 'born', str(now), 'took', '0',
    'soft', str(now + ARGV[10] * 1000), 'hard', str(now + ARGV[11] * 1000), 'tags', ARGV[12])
  redis.call('PEXPIRE', KEYS[2], ARGV[11])
else
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return set and 1 or 0
