package redisscript_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redisscript"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// TestRunLoadsAnUnknownScript runs a script on a server that has never seen it, and again after the server forgot it.
func TestRunLoadsAnUnknownScript(t *testing.T) {
	client := redistest.Start(t).Client()
	script := redisscript.New("local function twice(n) return 2 * n end\n", "return twice(redis.call('INCRBY', KEYS[1], ARGV[1]))")
	for i, want := range []int64{6, 12, 18} {
		if got, err := script.Run(t.Context(), client, []string{"n"}, "3").AsInt64(); got != want || err != nil {
			t.Errorf("run %d: %d, %v; want %d", i, got, err, want)
		}
		if i == 1 {
			flush(t, client)
		}
	}
}

func flush(t *testing.T, client rueidis.Client) {
	t.Helper()
	if err := client.Do(t.Context(), client.B().ScriptFlush().Build()).Error(); err != nil {
		t.Fatal(err)
	}
}

// TestRunAllKeepsTheOrder checks results and errors of many calls, with and without the script on the server.
func TestRunAllKeepsTheOrder(t *testing.T) {
	client := redistest.Start(t).Client()
	script := redisscript.NewRetryable(`if ARGV[1] == 'bad' then return redis.error_reply('BAD argument') end return KEYS[1] .. ARGV[1]`)
	var calls []redisscript.Call
	for i := range 10 {
		calls = append(calls, redisscript.Call{Keys: []string{"k"}, Args: []string{fmt.Sprint(i)}})
	}
	calls[4].Args[0] = "bad"
	for range 2 {
		for i, result := range script.RunAll(t.Context(), client, calls) {
			got, err := result.ToString()
			if i == 4 {
				if e, ok := rueidis.IsRedisErr(err); !ok || e.Error() != "BAD argument" {
					t.Errorf("result 4 is %q, %v", got, err)
				}
			} else if want := fmt.Sprint("k", i); got != want || err != nil {
				t.Errorf("result %d is %q, %v", i, got, err)
			}
		}
	}
}

// TestOnlyRetryableScriptsAreSentAgain breaks the connection after a script ran and before the client sees its result.
func TestOnlyRetryableScriptsAreSentAgain(t *testing.T) {
	const increment = `return redis.call('INCR', KEYS[1])`
	for name, c := range map[string]struct {
		script *redisscript.Script
		runs   int64
		fails  bool
	}{
		"retryable":     {redisscript.NewRetryable(increment), 3, false},
		"not retryable": {redisscript.New(increment), 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			var broken atomic.Bool
			client := server.Client(func(o *rueidis.ClientOption) {
				o.DialCtxFn = func(ctx context.Context, address string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
					conn, err := d.DialContext(ctx, "tcp", address)
					return &breakingConn{conn, &broken}, err
				}
			})
			if err := c.script.Run(t.Context(), client, []string{"n"}).Error(); err != nil {
				t.Fatal(err)
			}
			broken.Store(true)
			if err := c.script.Run(t.Context(), client, []string{"n"}).Error(); (err != nil) != c.fails {
				t.Errorf("the run that loses its connection returns %v", err)
			}
			admin := server.Client()
			runs, err := admin.Do(t.Context(), admin.B().Get().Key("n").Build()).AsInt64()
			if err != nil {
				t.Fatal(err)
			}
			if runs != c.runs {
				t.Errorf("the server ran the script %d times, want %d", runs, c.runs)
			}
		})
	}
}

// breakingConn closes itself in place of the next read that gets data once broken is set.
type breakingConn struct {
	net.Conn
	broken *atomic.Bool
}

func (c *breakingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && c.broken.CompareAndSwap(true, false) {
		c.Conn.Close()
		return 0, net.ErrClosed
	}
	return n, err
}

// TestNowIsTheServersTime compares the prelude with the clock of this machine.
func TestNowIsTheServersTime(t *testing.T) {
	client := redistest.Start(t).Client()
	before := time.Now().UnixMilli()
	got, err := redisscript.New(redisscript.Now, "return now()").Run(t.Context(), client, nil).AsInt64()
	if after := time.Now().UnixMilli(); err != nil || got < before || got > after {
		t.Errorf("now() is %d, %v; want %d to %d", got, err, before, after)
	}
}
