package store

import (
	"context"
	"crypto/sha1"
	"encoding/hex"

	"github.com/redis/rueidis"
)

// Script is a Lua script over one key, which may so be in any slot of a cluster. Redis keeps the text; calls name it by its
// SHA-1.
type Script struct{ text, sha string }

// NewScript makes a Script of its text, which sees KEYS[1] and ARGV.
func NewScript(text string) Script {
	sum := sha1.Sum([]byte(text))
	return Script{text, hex.EncodeToString(sum[:])}
}

// Run runs the script once, in one round trip; in two where the server does not know it yet. Its commands are pinned, which
// keeps rueidis from using their memory again: up to v1.0.79 it recycles a command that it has sent again on a new connection
// while the old connection may still be writing it.
func (s Script) Run(ctx context.Context, c rueidis.Client, key string, args ...string) rueidis.RedisResult {
	answer := c.Do(ctx, c.B().Evalsha().Sha1(s.sha).Numkeys(1).Key(key).Arg(args...).Build().Pin())
	if err, ok := rueidis.IsRedisErr(answer.Error()); ok && err.IsNoScript() {
		return c.Do(ctx, c.B().Eval().Script(s.text).Numkeys(1).Key(key).Arg(args...).Build().Pin())
	}
	return answer
}
