-- release ends a lease without a value. An older value is then not refreshed for the back-off time.
-- ARGV: token, back-off ms
local e = redis.call('HMGET', KEYS[2], 'tok', 'by')
if e[1] ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[2], 'tok', 'until')
if e[2] then redis.call('HSET', KEYS[2], 'retry', str(now + ARGV[2] * 1000)) end
return 1
