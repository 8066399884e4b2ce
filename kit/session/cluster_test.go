package session

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// TestOnRedisCluster takes every script to a server in cluster mode, which refuses one whose keys have different slots.
func TestOnRedisCluster(t *testing.T) {
	client := redistest.StartCluster(t).Client(redistest.Cluster)
	all := open(t, client, patient)
	carts, err := NewCarts(client, &CartOptions{Timeout: patient.Timeout})
	check(t, err)

	token := begin(t, all)
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

	user, guest := carts.Of("user:ann"), carts.Of("guest:1")
	for _, c := range []*Cart{user, guest} {
		_, err := c.Add(ctx, "book", 2, "op")
		check(t, err)
	}
	_, err = user.Merge(ctx, guest)
	check(t, err)
	check(t, user.Take(ctx, map[string]int{"book": 1}, "order"))
	if q, err := user.Quantities(ctx); !maps.Equal(q, map[string]int{"book": 3}) || err != nil {
		t.Errorf("the cart holds %v, %v", q, err)
	}
}

// TestLifetimesOnARealServer: its clock and its expiry cannot be wound, so this looks at what it was told.
func TestLifetimesOnARealServer(t *testing.T) {
	client := redistest.Start(t).Client()
	o := patient
	o.Idle, o.Absolute = 10*time.Minute, time.Hour
	all := open(t, client, o)
	token := begin(t, all)
	ttl := func() time.Duration {
		ms, err := client.Do(ctx, client.B().Pttl().Key(all.key(token[:idLength])).Build()).AsInt64()
		check(t, err)
		return time.Duration(ms) * time.Millisecond
	}
	if left := ttl(); left <= 9*time.Minute || left > 10*time.Minute {
		t.Errorf("a new session has %s", left)
	}
	check(t, client.Do(ctx, client.B().Pexpire().Key(all.key(token[:idLength])).Milliseconds(60_000).Build()).Error())
	value(t, all, token, theme)
	if left := ttl(); left <= 9*time.Minute || left > 10*time.Minute {
		t.Errorf("after nine idle minutes and a touch it has %s", left)
	}
	o.Idle = 2 * time.Hour
	longer := open(t, client, o)
	check(t, views.Set(ctx, longer.Open(token), 1))
	value(t, longer, token, theme)
	if left := ttl(); left <= 50*time.Minute || left > time.Hour {
		t.Errorf("with two idle hours of one absolute it has %s", left)
	}
	check(t, longer.Open(token).End(ctx))
	if left := ttl(); left <= 0 || left > endedFor {
		t.Errorf("the mark of an ended session has %s", left)
	}
	if err := views.Set(ctx, longer.Open(token), 1); !errors.Is(err, ErrGone) {
		t.Errorf("err is %v", err)
	}
}
