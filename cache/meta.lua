-- A bucket is a hash tag: its meta hash and all its entries live in one slot of a Redis Cluster.
-- The epoch names one life of one server's data. It changes when the meta hash is lost (flush, eviction, restart without
-- data) or when another server answers than the one that wrote it (restart, failover): what the earlier life stored may miss
-- invalidations, so every entry, token and generation of it is dead.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]

local function str(n) return string.format('%.0f', n) end

-- server names the process that answers and its term as a master: run_id changes with a restart, master_replid with a
-- promotion, so that a master that was demoted and promoted again, with another's data, is seen too.
local function server()
  local info = redis.pcall('INFO', 'server', 'replication')
  if type(info) ~= 'string' then -- before Redis 7: one section a call
    local one, two = redis.pcall('INFO', 'server'), redis.pcall('INFO', 'replication')
    if type(one) ~= 'string' or type(two) ~= 'string' then return '' end
    info = one .. two
  end
  return (string.match(info, 'run_id:(%w+)') or '') .. (string.match(info, 'master_replid:(%w+)') or '')
end

-- meta returns epoch, sequence, highest position, birth (in microseconds).
local function meta(fresh)
  local run = server()
  local m = redis.call('HMGET', KEYS[1], 'run', 'ep', 'seq', 'hi', 'born')
  if m[2] and m[1] == run then return m[2], m[3], m[4], tonumber(m[5]) end
  local s = str(now)
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'run', run, 'ep', fresh, 'seq', s, 'hi', '', 'born', s)
  return fresh, s, '', now
end

local function live(ttl) -- keeps KEYS[2] for at least ttl ms
  if redis.call('PTTL', KEYS[2]) < ttl then redis.call('PEXPIRE', KEYS[2], str(ttl)) end
end

