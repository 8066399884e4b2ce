-- fill stores what the holder of a lease has loaded. It returns 'stored', or why it refuses the value.
-- ARGV: new epoch, token, epoch, generation, position needed, position read, value, not found, fresh ms, keep ms,
-- load us, tags
local ep = meta(ARGV[1])
local e = redis.call('HMGET', KEYS[2], 'ep', 'gen', 'pos', 'by', 'tok')
if ep ~= ARGV[3] or e[1] ~= ep then return 'epoch' end
if e[4] == ARGV[2] then return 'stored' end -- a repetition: the reply was lost
if e[5] ~= ARGV[2] then return 'token' end
if e[2] ~= ARGV[4] then return 'generation' end
if ARGV[6] < ARGV[5] or ARGV[6] < e[3] then return 'position' end
redis.call('HSET', KEYS[2], 'by', ARGV[2], 'val', ARGV[7], 'neg', ARGV[8], 'born', str(now), 'took', ARGV[11],
  'soft', str(now + ARGV[9] * 1000), 'hard', str(now + ARGV[10] * 1000), 'tags', ARGV[12])
redis.call('HDEL', KEYS[2], 'tok', 'until', 'retry')
redis.call('PEXPIRE', KEYS[2], ARGV[10])
return 'stored'
