package ratelimit

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// book asks a store's script as a gateway would.
type book struct {
	t     *testing.T
	m     *memory
	limit limit
	named map[string]ledger
}

func newBook(t *testing.T, rate config.Rate, burst int) *book {
	return &book{t: t, m: newMemory(t), limit: newLimit(rate, burst), named: map[string]ledger{}}
}

func (b *book) ask(gateway string, q question) answer {
	b.t.Helper()
	if _, ok := b.named[gateway]; !ok {
		b.named[gateway] = ledger{redistest.Connect(b.t, b.m.Addr(), redistest.NoRetry), gateway}
	}
	got, err := b.named[gateway].ask(context.Background(), "k", b.limit, q)
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

func (b *book) want(gateway string, q question, want answer) {
	b.t.Helper()
	if got := b.ask(gateway, q); got != want {
		b.t.Errorf("%s asks %+v: got %+v, want %+v", gateway, q, got, want)
	}
}

func TestScriptIsGCRA(t *testing.T) {
	b := newBook(t, perSecond(10), 5)
	b.want("a", question{need: 3}, answer{need: 3})
	b.want("b", question{need: 3}, answer{need: 2, wait: 100 * time.Millisecond})
	b.want("a", question{need: 1}, answer{wait: 100 * time.Millisecond})
	b.m.sleep(99 * time.Millisecond)
	b.want("a", question{need: 1}, answer{wait: time.Millisecond})
	b.m.sleep(time.Millisecond)
	b.want("a", question{need: 1}, answer{need: 1, wait: 100 * time.Millisecond})
	b.m.sleep(time.Hour)
	b.want("a", question{need: 100}, answer{need: 5, wait: 100 * time.Millisecond})
}

func TestScriptOfOddLimits(t *testing.T) {
	b := newBook(t, perSecond(7), 7)
	b.want("a", question{need: 7}, answer{need: 7, wait: 142858 * time.Microsecond})
	b = newBook(t, config.Rate{Requests: 1, Per: time.Hour}, 1)
	b.want("a", question{need: 2, extra: 1}, answer{need: 1, wait: time.Hour})
	b = newBook(t, config.Rate{Requests: 1, Per: time.Hour}, 10_000_000)
	whole := int(b.limit.depth / b.limit.interval)
	b.want("a", question{need: 10_000_000}, answer{need: whole, wait: time.Hour})
	if ttl := b.m.TTL("k"); ttl < time.Duration(whole)*time.Hour {
		t.Errorf("it is forgotten after %v", ttl)
	}
	b = newBook(t, perSecond(1_000_000), 10_000_000)
	b.want("a", question{need: 10_000_000}, answer{need: 10_000_000, wait: time.Microsecond})
}

func TestLeases(t *testing.T) {
	b := newBook(t, perSecond(1), 80)
	b.want("a", question{need: 1, extra: 100, lease: 1}, answer{need: 1, extra: 10}) // half of a quarter
	b.want("b", question{need: 1, extra: 100, lease: 1}, answer{need: 1, extra: 5})  // half of what is left
	b.want("c", question{need: 1, extra: 1, lease: 1}, answer{need: 1, extra: 1})
	b.want("c", question{need: 60, lease: 2, closing: 1, spent: 1}, answer{need: 60})
	b.want("d", question{need: 9, lease: 2}, answer{need: 1, wait: time.Second}) // 10 + 5 leased, 65 used
	// What is given back can be had at once, by others too.
	b.want("a", question{need: 1, closing: 1, spent: 2}, answer{need: 1})
	b.want("d", question{need: 9}, answer{need: 7, wait: time.Second})
	// Leased tokens do not drain: they may still be spent.
	b.m.sleep(5 * time.Second)
	b.want("d", question{need: 9}, answer{need: 5, wait: time.Second})
	// Of a lease that nobody has ended all is spent, as late as could be.
	b.m.sleep(2*leaseTime - 5*time.Second)
	b.want("d", question{need: 99}, answer{need: 5, wait: time.Second})
	b.want("b", question{need: 99, closing: 1, spent: 5}, answer{wait: time.Second}) // too late, and not counted twice
	b.m.sleep(79 * time.Second)
	b.want("b", question{need: 99}, answer{need: 79, wait: time.Second})
}

// An exhausted caller gets its tokens in portions.
func TestPortions(t *testing.T) {
	b := newBook(t, perSecond(1000), 1000)
	b.want("a", question{need: 1000, extra: 50}, answer{need: 1000, wait: 50 * time.Millisecond})
	b.m.sleep(50 * time.Millisecond)
	b.want("a", question{need: 1, extra: 49, lease: 1}, answer{need: 1, extra: 49, wait: 49 * time.Millisecond})
	b.want("b", question{need: 1}, answer{wait: time.Millisecond})
	b.want("b", question{need: 1, extra: 125}, answer{wait: 100 * time.Millisecond})
}

// A store's clock that jumps gives nothing away and locks nobody out.
func TestClockOfTheStoreJumps(t *testing.T) {
	b := newBook(t, perSecond(1), 40)
	b.want("a", question{need: 1, extra: 4, lease: 1}, answer{need: 1, extra: 4})
	b.want("b", question{need: 40}, answer{need: 35, wait: time.Second})
	b.m.sleep(-time.Hour)
	b.want("b", question{need: 40}, answer{wait: time.Second})
	b.m.sleep(10 * time.Second)
	b.want("b", question{need: 40}, answer{need: 10, wait: time.Second})
}

// The store keeps nothing of a caller that has its full burst again.
func TestNothingStays(t *testing.T) {
	b := newBook(t, perSecond(1), 80)
	b.ask("a", question{need: 3})
	if ttl := b.m.TTL("k"); ttl < 3*time.Second || ttl > 4*time.Second {
		t.Errorf("TTL %v", ttl)
	}
	b.ask("a", question{need: 1, extra: 10, lease: 1})
	if ttl := b.m.TTL("k"); ttl < 2*leaseTime+14*time.Second || ttl > 2*leaseTime+15*time.Second {
		t.Errorf("TTL %v", ttl)
	}
	b.m.FastForward(time.Minute)
	if keys := b.m.Keys(); len(keys) != 0 {
		t.Errorf("%q stay", keys)
	}
}

// What somebody else wrote under a key is not read.
func TestForeignKeys(t *testing.T) {
	b := newBook(t, perSecond(1), 2)
	b.m.Set("k", "something")
	b.want("a", question{need: 3}, answer{need: 2, wait: time.Second})
	b.m.Del("k")
	b.m.HSet("k", "level", "x", "at", "y", "z", "!", "a:1", "1 x")
	b.want("a", question{need: 3}, answer{need: 2, wait: time.Second})
	if fields, _ := b.m.HKeys("k"); strings.Join(fields, " ") != "at level" {
		t.Errorf("fields %q", fields)
	}
}
