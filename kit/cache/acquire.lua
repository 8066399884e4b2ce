-- acquire: the value, a lease to fill it, both (a refresh), or neither (another holds the lease).
-- ARGV: fresh epoch, token, rejected filler, lease ms, early, max lag us
local ep, seq, hi, born = meta(ARGV[1])
local e = redis.call('HMGET', KEYS[2], 'ep', 'gen', 'pos', 'by', 'val', 'neg', 'born', 'soft', 'hard', 'took', 'tags', 'tok', 'until', 'retry')
if e[1] and e[1] ~= ep then
  redis.call('DEL', KEYS[2])
  e = {}
end
local gen, pos = e[2] or seq, e[3] or hi
local need = pos
if now - born < tonumber(ARGV[6]) then need = string.rep('f', 32) end
local mine = e[12] == ARGV[2]
local taken = e[12] and not mine and tonumber(e[13]) > now
local has = e[4] and e[4] ~= ARGV[3] and tonumber(e[9]) > now
local grant = not taken
if has then
  local left = tonumber(e[8]) - now
  local due = left <= tonumber(e[10]) * tonumber(ARGV[5])
  if not mine and (not due or (e[14] and tonumber(e[14]) > now)) then grant = false end
end
if grant then
  redis.call('HSET', KEYS[2], 'ep', ep, 'gen', gen, 'pos', pos, 'tok', ARGV[2], 'until', str(now + ARGV[4] * 1000))
  live(tonumber(ARGV[4]))
end
local wait = 0
if taken then wait = tonumber(e[13]) - now end
if not has then return {grant and 1 or 0, 0, ep, gen, need, str(wait)} end
return {grant and 1 or 0, 1, ep, gen, need, str(wait), e[4], e[5], e[6], e[11],
  str(now - e[7]), str(e[8] - now), str(e[9] - now)}
