package ratelimit

import (
	"testing"
	"time"
)

const second = int64(time.Second)

// What the store is asked for follows what a caller uses: twice as much when a lease did not last, else as much as was spent.
func TestLeaseFollowsTheCaller(t *testing.T) {
	a := &account{}
	now := second
	for i, c := range []struct {
		use   int           // tokens of the lease before
		after time.Duration // since the last question
		extra int
	}{
		{0, 0, 0}, // nothing is known of the caller
		{0, time.Second, 1},
		{1, time.Second, 2},
		{2, time.Second, 4},
		{4, time.Second, 8},
		{8, time.Second, 10}, // the largest
		{10, time.Second, 10},
		{4, leaseTime, 4},
		{4, leaseTime - 1, 8},
		{0, leaseTime, 0}, // it went away
		{0, leaseTime - 1, 1},
	} {
		now += int64(c.after)
		for range c.use {
			if v, _ := a.decide(now-1, newLimit(perSecond(1000), 1000), false); v != admitted {
				t.Fatalf("step %d: a leased token is %v", i, v)
			}
		}
		closing := a.until
		q := a.ask(now, 3, 10)
		if want := (question{need: 3, extra: c.extra, lease: now + int64(leaseTime), closing: closing, spent: c.use}); q != want {
			t.Fatalf("step %d: %+v, want %+v", i, q, want)
		}
		a.take(now, q, answer{need: 3, extra: q.extra})
	}
}

func TestAccountOfAFleet(t *testing.T) {
	l := newLimit(perSecond(1), 100)
	a := &account{}
	decide := func(now int64, want verdict, wait time.Duration) {
		t.Helper()
		if v, w := a.decide(now, l, false); v != want || w != wait {
			t.Errorf("at %v: %v, wait %v", time.Duration(now), v, w)
		}
	}
	decide(second, unknown, 0)
	q := a.ask(second, 1, 10)
	a.want = 2
	a.take(second, q, answer{need: 1, extra: 2, wait: 10 * time.Second})
	decide(2*second, admitted, 0) // leased
	decide(second+int64(leaseTime), refused, 10*time.Second-leaseTime)
	if a.tat != 3*second {
		t.Errorf("one request was admitted, tat %v", a.tat)
	}
	decide(11*second, unknown, 0)

	// An answer for a lease that the account does not know any more leases nothing, but tells of an exhausted caller.
	a = &account{}
	a.take(second, q, answer{need: 0, extra: 2, wait: time.Second})
	decide(second, refused, time.Second)
	decide(2*second, unknown, 0)

	// What the gateway has admitted by itself is enough to refuse.
	a = &account{tokens: 1000, until: 1 << 60, tat: 100 * second}
	decide(0, refused, time.Second)
	if v, _ := a.decide(second, l, true); v != admitted || a.tokens != 1000 {
		t.Error("alone, tokens are spent")
	}
}
