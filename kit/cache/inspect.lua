-- inspect returns the state of a key and changes nothing.
local m = redis.call('HMGET', KEYS[1], 'run', 'ep', 'seq', 'hi')
local e = redis.call('HMGET', KEYS[2],
  'ep', 'gen', 'pos', 'by', 'neg', 'born', 'soft', 'hard', 'tags', 'tok', 'until', 'retry')
for i = 1, 12 do e[i] = e[i] or '' end
local size = redis.call('HSTRLEN', KEYS[2], 'val')
return {m[1] == server() and m[2] or '', str(now), m[3] or '', m[4] or '', str(size),
  e[1], e[2], e[3], e[4], e[5], e[6], e[7], e[8], e[9], e[10], e[11], e[12]}
