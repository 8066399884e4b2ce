package session

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
type script struct {
	text, sha  string
	repeatable bool // sent twice it does the same as once, so it is sent again when a connection breaks before the answer
}

func newScript(text string) script {
	sum := sha1.Sum([]byte(text))
	return script{text: text, sha: hex.EncodeToString(sum[:])}
}

func repeatable(text string) script {
	s := newScript(text)
	s.repeatable = true
	return s
}

func (s script) run(ctx context.Context, c rueidis.Client, keys, args []string) rueidis.RedisResult {
	n := int64(len(keys))
	answer := c.Do(ctx, s.command(c.B().Evalsha().Sha1(s.sha).Numkeys(n).Key(keys...).Arg(args...).Build()))
	if err, ok := rueidis.IsRedisErr(answer.Error()); ok && err.IsNoScript() {
		return c.Do(ctx, s.command(c.B().Eval().Script(s.text).Numkeys(n).Key(keys...).Arg(args...).Build()))
	}
	return answer
}

func (s script) command(c rueidis.Completed) rueidis.Completed {
	if s.repeatable {
		c = c.ToRetryable()
	}
	return c.Pin()
}
