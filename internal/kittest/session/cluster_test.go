package session_test

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redistest"
	"github.com/tenfold-go/tenfold/kit/session"
	"github.com/tenfold-go/tenfold/kit/session/scsstore"
)

// TestNewRefusesAClientThatReadsFromReplicas: a replica may not know of a logout yet.
func TestNewRefusesAClientThatReadsFromReplicas(t *testing.T) {
	client := redistest.StartCluster(t).Client(redistest.Cluster, func(o *rueidis.ClientOption) { o.ReplicaOnly = true })
	if _, err := session.New(client, nil); err == nil {
		t.Error("session accepted the client")
	}
	if _, err := scsstore.New(client, nil); err == nil {
		t.Error("scsstore accepted the client")
	}
}

// TestRedisCluster runs every script on a server in cluster mode, which refuses a script whose keys have different
// slots.
func TestRedisCluster(t *testing.T) {
	client := redistest.StartCluster(t).Client(redistest.Cluster)
	all := open(t, client, longTimeout)
	token := create(t, all)
	s := all.Open(token)
	check(t, s.Login(ctx, "ann"))
	if v, ok := value(t, all, token, theme); !ok || v != "dark" {
		t.Errorf("the old token reads %q, %v", v, ok)
	}
	check(t, s.Renew(ctx))
	if n, err := views.Update(ctx, all.Open(s.Token()), func(n *int) error { *n++; return nil }); n != 1 || err != nil {
		t.Errorf("updated to %d, %v", n, err)
	}
	check(t, all.RevokeUser(ctx, "ann"))
	if userOf(t, all, s.Token()) != "" {
		t.Error("the revoked session is open")
	}
	check(t, s.Login(ctx, "ann"))
	check(t, s.End(ctx))
}

// TestLifetimesOnARealServer checks the expiry times of the keys, because the clock of a real server cannot be set.
func TestLifetimesOnARealServer(t *testing.T) {
	client := redistest.Start(t).Client()
	o := longTimeout
	o.Idle, o.Absolute = 10*time.Minute, time.Hour
	all := open(t, client, o)
	token := create(t, all)
	ttl := func() time.Duration {
		ms, err := client.Do(ctx, client.B().Pttl().Key(sessionKey(token[:idLength])).Build()).AsInt64()
		check(t, err)
		return time.Duration(ms) * time.Millisecond
	}
	if left := ttl(); left <= 9*time.Minute || left > 10*time.Minute {
		t.Errorf("the TTL of a new session is %s", left)
	}
	check(t, client.Do(ctx, client.B().Pexpire().Key(sessionKey(token[:idLength])).Milliseconds(60_000).Build()).Error())
	value(t, all, token, theme)
	if left := ttl(); left <= 9*time.Minute || left > 10*time.Minute {
		t.Errorf("after nine idle minutes and a read the TTL is %s", left)
	}
	o.Idle = 2 * time.Hour
	longer := open(t, client, o)
	check(t, views.Set(ctx, longer.Open(token), 1))
	value(t, longer, token, theme)
	if left := ttl(); left <= 50*time.Minute || left > time.Hour {
		t.Errorf("with Idle 2h and Absolute 1h the TTL is %s", left)
	}
	check(t, longer.Open(token).End(ctx))
	if left := ttl(); left <= 0 || left > endedTTL {
		t.Errorf("the TTL of the mark of an ended session is %s", left)
	}
	if err := views.Set(ctx, longer.Open(token), 1); !errors.Is(err, session.ErrGone) {
		t.Errorf("err is %v", err)
	}
}
