package cache

import (
	"context"
	"crypto/sha1"
	"encoding/hex"

	"github.com/redis/rueidis"
)

// script is a Lua script. Redis keeps the text; calls name it by its SHA-1.
//
// All our commands are pinned, which keeps rueidis from using their memory again: up to v1.0.79 it recycles a command that it
// has sent again on a new connection while the old connection may still be writing it.
type script struct{ text, sha string }

// newScript makes a script of a body and of meta.lua, whose functions all bodies use.
func newScript(body string) script {
	text := metaLua + body
	sum := sha1.Sum([]byte(text))
	return script{text: text, sha: hex.EncodeToString(sum[:])}
}

// scriptCall is what one call gives a script.
type scriptCall struct{ keys, args []string }

func (s script) run(ctx context.Context, c rueidis.Client, keys []string, args ...string) rueidis.RedisResult {
	call := scriptCall{keys, args}
	answer := c.Do(ctx, s.short(c, call))
	if noScript(answer) {
		return c.Do(ctx, s.long(c, call))
	}
	return answer
}

// runEach makes all calls in one round trip, in two where a server does not know the script yet.
func (s script) runEach(ctx context.Context, c rueidis.Client, calls []scriptCall) []rueidis.RedisResult {
	commands := make([]rueidis.Completed, len(calls))
	for i, call := range calls {
		commands[i] = s.short(c, call)
	}
	answers := c.DoMulti(ctx, commands...)
	for i := range answers {
		if noScript(answers[i]) {
			answers[i] = c.Do(ctx, s.long(c, calls[i]))
		}
	}
	return answers
}

func (s script) short(c rueidis.Client, call scriptCall) rueidis.Completed {
	return c.B().Evalsha().Sha1(s.sha).Numkeys(int64(len(call.keys))).Key(call.keys...).Arg(call.args...).Build().Pin()
}

func (s script) long(c rueidis.Client, call scriptCall) rueidis.Completed {
	return c.B().Eval().Script(s.text).Numkeys(int64(len(call.keys))).Key(call.keys...).Arg(call.args...).Build().Pin()
}

func noScript(answer rueidis.RedisResult) bool {
	err, ok := rueidis.IsRedisErr(answer.Error())
	return ok && err.IsNoScript()
}
