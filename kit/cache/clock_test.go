package cache

import (
	"strconv"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// clockPrelude lets the scripts see the time of a test instead of the server's. It answers TIME from the list
// test:clock, and it keeps the end of each key's life in the hash test:expiry, because the server expires keys by its
// own clock.
const clockPrelude = `
local server_call, server_pcall = redis.call, redis.pcall
local test_time = server_call('LRANGE', 'test:clock', '0', '-1')
local test_now = test_time[1] * 1000000 + test_time[2]
for _, key in ipairs(KEYS) do
  local expires = server_call('HGET', 'test:expiry', key)
  if expires and tonumber(expires) <= test_now then
    server_call('DEL', key)
    server_call('HDEL', 'test:expiry', key)
  end
end
local redis = {pcall = server_pcall, call = function(command, key, value, ...)
  if command == 'TIME' then return test_time end
  if command == 'PEXPIRE' then
    server_call('HSET', 'test:expiry', key, string.format('%.0f', test_now + value * 1000))
    return 1
  end
  if command == 'PTTL' then
    local expires = server_call('HGET', 'test:expiry', key)
    if expires then return (expires - test_now) / 1000 end
    return server_call('EXISTS', key) == 1 and -1 or -2
  end
  if command == 'DEL' then server_call('HDEL', 'test:expiry', key) end
  if value == nil then return server_call(command, key) end
  return server_call(command, key, value, ...)
end}
`

var clockedScripts = newScripts(clockPrelude)

// testClock is the clock that the scripts of a clocked store see.
type testClock struct {
	t      testing.TB
	client rueidis.Client
	now    time.Time
}

// newClockedStore starts a server and returns a store on it whose time the test controls.
func newClockedStore(t testing.TB, prefix string) (*redisStore, *testClock) {
	t.Helper()
	clock := &testClock{t: t, client: redistest.Start(t).Client(), now: time.Now()}
	clock.pass(0)
	return clock.store(prefix), clock
}

// store returns a store of another cache on the same server and clock.
func (c *testClock) store(prefix string) *redisStore {
	s := newRedisStore(c.client, prefix, "tested", time.Minute)
	s.scripts = clockedScripts
	s.fixed.clock = c.client.B().Arbitrary("LRANGE", "test:clock", "0", "-1").Build().Pin()
	return s
}

func (c *testClock) pass(d time.Duration) {
	c.t.Helper()
	c.now = c.now.Add(d)
	seconds, micros := c.now.Unix(), c.now.UnixMicro()%1e6
	for _, command := range [][]string{
		{"DEL", "test:clock"}, {"RPUSH", "test:clock", strconv.FormatInt(seconds, 10), strconv.FormatInt(micros, 10)},
	} {
		if err := c.client.Do(c.t.Context(), c.client.B().Arbitrary(command...).Build().Pin()).Error(); err != nil {
			c.t.Fatal(err)
		}
	}
}
