// Package redisscript runs Lua scripts on Redis and Valkey.
//
// The packages of tenfold share it. It is public only because two modules use it, so it carries no compatibility
// promise: services should call rueidis themselves.
//
// # Pinned commands
//
// Every command of this package is pinned (rueidis.Completed.Pin), and every other command in these packages that may
// be retried must be pinned too. rueidis up to v1.0.79 recycles the memory of a command once the command is answered.
// If a connection breaks, the client sends the command again on a new connection and gets an answer there, while the
// goroutine of the broken connection may still be writing the same command. The recycled memory then belongs to another
// command, and the old connection may send a mixture of the two. A pinned command is not recycled.
package redisscript

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"strings"

	"github.com/redis/rueidis"
)

// Now is a prelude for New. It defines the Lua function now(), which returns the server's time in milliseconds since
// 1970.
const Now = `
local function now()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
`

// Script is a Lua script. It does not change after New, and it is safe for concurrent use.
type Script struct {
	text, sha string
	retryable bool
}

// New returns the script whose text is the given parts, one after another. The first parts are usually preludes:
// functions that several scripts share. The script sees its keys as KEYS and its arguments as ARGV.
func New(parts ...string) *Script {
	text := strings.Join(parts, "")
	sum := sha1.Sum([]byte(text))
	return &Script{text: text, sha: hex.EncodeToString(sum[:])}
}

// NewRetryable returns a script like New. The client sends it again when the connection breaks before the answer, so
// running it twice must have the same effect and the same result as running it once.
func NewRetryable(parts ...string) *Script {
	s := New(parts...)
	s.retryable = true
	return s
}

// Run runs the script once and returns its result. It needs one round trip, and a second one if the server does not
// know the script yet. On Redis Cluster all keys must have the same slot.
func (s *Script) Run(ctx context.Context, client rueidis.Client, keys []string, args ...string) rueidis.RedisResult {
	call := Call{Keys: keys, Args: args}
	result := client.Do(ctx, s.evalSHA(client, call))
	if isNoScript(result) {
		return client.Do(ctx, s.eval(client, call))
	}
	return result
}

// Call is one run of a script: its keys and its arguments.
type Call struct{ Keys, Args []string }

// RunAll runs the script once per call and returns the results in the order of the calls. All calls share one round
// trip. Each call that reaches a server without the script needs one more.
func (s *Script) RunAll(ctx context.Context, client rueidis.Client, calls []Call) []rueidis.RedisResult {
	commands := make([]rueidis.Completed, len(calls))
	for i, call := range calls {
		commands[i] = s.evalSHA(client, call)
	}
	results := client.DoMulti(ctx, commands...)
	for i := range results {
		if isNoScript(results[i]) {
			results[i] = client.Do(ctx, s.eval(client, calls[i]))
		}
	}
	return results
}

// evalSHA names the script by its hash: Redis keeps the text of every script that it has run.
func (s *Script) evalSHA(client rueidis.Client, call Call) rueidis.Completed {
	n := int64(len(call.Keys))
	return s.finish(client.B().Evalsha().Sha1(s.sha).Numkeys(n).Key(call.Keys...).Arg(call.Args...).Build())
}

func (s *Script) eval(client rueidis.Client, call Call) rueidis.Completed {
	n := int64(len(call.Keys))
	return s.finish(client.B().Eval().Script(s.text).Numkeys(n).Key(call.Keys...).Arg(call.Args...).Build())
}

func (s *Script) finish(command rueidis.Completed) rueidis.Completed {
	if s.retryable {
		command = command.ToRetryable()
	}
	return command.Pin()
}

func isNoScript(result rueidis.RedisResult) bool {
	err, ok := rueidis.IsRedisErr(result.Error())
	return ok && err.IsNoScript()
}
