-- The prelude of the scripts that work on a bucket. A bucket is a hash tag: its meta hash KEYS[1] and all its entries
-- are in one slot of a Redis Cluster.
--
-- The epoch names one life of one server's data. It changes when the meta hash is lost (flush, eviction, restart
-- without data), and when another server answers than the one that wrote it (restart, failover). What the earlier life
-- has stored may miss invalidations, so every entry, token and generation of it is invalid.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]

local function str(n) return string.format('%.0f', n) end

local function field(info, name)
  local _, i = string.find(info, name .. ':', 1, true)
  return i and string.match(info, '^%w+', i + 1) or ''
end

-- server returns the identity of the term of the master that answers. A server takes a new master_replid when it starts
-- as a master and when it is promoted. So while it is a master, no other process and no other term has this ID: a
-- restart, a failover, and a master that was demoted and promoted again with the data of another are noticed. A replica
-- has the ID of its master: no data counts as written by a replica. identity in lookup.go does the same in Go.
local function server()
  local term = redis.pcall('INFO', 'replication')
  if type(term) ~= 'string' then return '' end
  if field(term, 'role') ~= 'master' then return 'replica' end
  return field(term, 'master_replid')
end

-- meta returns epoch, sequence, highest position and birth (in microseconds). It begins a new epoch if the last one is
-- over.
local function meta(new_epoch)
  local run = server()
  local m = redis.call('HMGET', KEYS[1], 'run', 'ep', 'seq', 'hi', 'born')
  if m[2] and m[1] == run then return m[2], m[3], m[4], tonumber(m[5]) end
  local s = str(now)
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'run', run, 'ep', new_epoch, 'seq', s, 'hi', '', 'born', s)
  return new_epoch, s, '', now
end

-- keep_alive keeps KEYS[2] for at least ttl milliseconds.
local function keep_alive(ttl)
  if redis.call('PTTL', KEYS[2]) < ttl then redis.call('PEXPIRE', KEYS[2], str(ttl)) end
end

