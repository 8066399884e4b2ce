-- acks keeps the acknowledgements for a writer without a subscription. 'add' appends one; 'take' returns all and
-- deletes them.
-- ARGV: verb, acknowledgement, time to live ms
if ARGV[1] == 'add' then
  redis.call('RPUSH', KEYS[1], ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return 1
end
local all = redis.call('LRANGE', KEYS[1], 0, -1)
redis.call('DEL', KEYS[1])
return all
