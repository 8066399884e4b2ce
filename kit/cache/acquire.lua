-- acquire returns the value, or a lease to fill it, or both (the value needs a refresh), or neither (another load has
-- the lease).
-- ARGV: new epoch, token, token of a value to reject, lease ms, early, max lag us
local ep, seq, hi, born = meta(ARGV[1])
local e = redis.call('HMGET', KEYS[2],
  'ep', 'gen', 'pos', 'by', 'val', 'neg', 'born', 'soft', 'hard', 'took', 'tags', 'tok', 'until', 'retry')
if e[1] and e[1] ~= ep then
  redis.call('DEL', KEYS[2])
  e = {}
end
local gen, pos = e[2] or seq, e[3] or hi
local needed = pos
if now - born < tonumber(ARGV[6]) then needed = string.rep('f', 32) end
local own = e[12] == ARGV[2]
local taken = e[12] and not own and tonumber(e[13]) > now
local found = e[4] and e[4] ~= ARGV[3] and tonumber(e[9]) > now
local grant = not taken
if found then
  local fresh_for = tonumber(e[8]) - now
  local due = fresh_for <= tonumber(e[10]) * tonumber(ARGV[5])
  if not own and (not due or (e[14] and tonumber(e[14]) > now)) then grant = false end
end
if grant then
  redis.call('HSET', KEYS[2], 'ep', ep, 'gen', gen, 'pos', pos, 'tok', ARGV[2], 'until', str(now + ARGV[4] * 1000))
  keep_alive(tonumber(ARGV[4]))
end
local wait = 0
if taken then wait = tonumber(e[13]) - now end
if not found then return {grant and 1 or 0, 0, ep, gen, needed, str(wait)} end
return {grant and 1 or 0, 1, ep, gen, needed, str(wait), e[4], e[5], e[6], e[11],
  str(now - e[7]), str(e[8] - now), str(e[9] - now)}
