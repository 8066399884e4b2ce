package ratelimit

import (
	"testing"
	"time"
)

const second = int64(time.Second)

// The next lease is twice as large if the last one was spent before its end, and otherwise as large as what was spent.
func TestLeaseSizeFollowsUse(t *testing.T) {
	b := &bucket{}
	now := second
	for i, c := range []struct {
		use   int           // tokens of the previous lease
		after time.Duration // since the last request to the store
		lease int
	}{
		{0, 0, 0}, // the caller is new
		{0, time.Second, 1},
		{1, time.Second, 2},
		{2, time.Second, 4},
		{4, time.Second, 8},
		{8, time.Second, 10}, // the maximum
		{10, time.Second, 10},
		{4, leaseTime, 4},
		{4, leaseTime - 1, 8},
		{0, leaseTime, 0}, // the caller has stopped
		{0, leaseTime - 1, 1},
	} {
		now += int64(c.after)
		for range c.use {
			if v, _ := b.decide(now-1, newLimit(perSecond(1000), 1000), false); v != admitted {
				t.Fatalf("step %d: request with a leased token: %v", i, v)
			}
		}
		returning := b.leaseEnd
		r := b.request(now, 3, 10)
		if want := (tokenRequest{needed: 3, lease: c.lease, leaseID: now + int64(leaseTime), returning: returning, spent: c.use}); r != want {
			t.Fatalf("step %d: %+v, want %+v", i, r, want)
		}
		b.accept(now, r, tokenGrant{needed: 3, leased: r.lease})
	}
}

func TestBucketWithStore(t *testing.T) {
	l := newLimit(perSecond(1), 100)
	b := &bucket{}
	decide := func(now int64, want decision, wait time.Duration) {
		t.Helper()
		if v, w := b.decide(now, l, false); v != want || w != wait {
			t.Errorf("at %v: %v, wait %v", time.Duration(now), v, w)
		}
	}
	decide(second, undecided, 0)
	r := b.request(second, 1, 10)
	b.wanted = 2
	b.accept(second, r, tokenGrant{needed: 1, leased: 2, wait: 10 * time.Second})
	decide(2*second, admitted, 0) // leased
	decide(second+int64(leaseTime), refused, 10*time.Second-leaseTime)
	if b.tat != 3*second {
		t.Errorf("tat %v after one admitted request", b.tat)
	}
	decide(11*second, undecided, 0)

	// An answer for an unknown lease adds no tokens. But its wait counts.
	b = &bucket{}
	b.accept(second, r, tokenGrant{needed: 0, leased: 2, wait: time.Second})
	decide(second, refused, time.Second)
	decide(2*second, undecided, 0)

	// The gateway can refuse by its own count, although it has tokens.
	b = &bucket{tokens: 1000, leaseEnd: 1 << 60, tat: 100 * second}
	decide(0, refused, time.Second)
	if v, _ := b.decide(second, l, true); v != admitted || b.tokens != 1000 {
		t.Error("a gateway that counts alone spent a token")
	}
}
