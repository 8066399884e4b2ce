package ratelimit

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// scriptTest runs the script on a store in memory, for several gateways.
type scriptTest struct {
	t       *testing.T
	m       *memoryStore
	limit   limit
	clients map[string]storeClient
}

func newScriptTest(t *testing.T, rate config.Rate, burst int) *scriptTest {
	return &scriptTest{t: t, m: newMemoryStore(t), limit: newLimit(rate, burst), clients: map[string]storeClient{}}
}

func (b *scriptTest) request(gateway string, r tokenRequest) tokenGrant {
	b.t.Helper()
	if _, ok := b.clients[gateway]; !ok {
		b.clients[gateway] = storeClient{redistest.Connect(b.t, b.m.Addr(), redistest.NoRetry), gateway}
	}
	got, err := b.clients[gateway].request(context.Background(), "k", b.limit, r)
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

func (b *scriptTest) want(gateway string, r tokenRequest, want tokenGrant) {
	b.t.Helper()
	if got := b.request(gateway, r); got != want {
		b.t.Errorf("%s requests %+v: got %+v, want %+v", gateway, r, got, want)
	}
}

func TestScriptIsGCRA(t *testing.T) {
	b := newScriptTest(t, perSecond(10), 5)
	b.want("a", tokenRequest{needed: 3}, tokenGrant{needed: 3})
	b.want("b", tokenRequest{needed: 3}, tokenGrant{needed: 2, wait: 100 * time.Millisecond})
	b.want("a", tokenRequest{needed: 1}, tokenGrant{wait: 100 * time.Millisecond})
	b.m.sleep(99 * time.Millisecond)
	b.want("a", tokenRequest{needed: 1}, tokenGrant{wait: time.Millisecond})
	b.m.sleep(time.Millisecond)
	b.want("a", tokenRequest{needed: 1}, tokenGrant{needed: 1, wait: 100 * time.Millisecond})
	b.m.sleep(time.Hour)
	b.want("a", tokenRequest{needed: 100}, tokenGrant{needed: 5, wait: 100 * time.Millisecond})
}

func TestScriptWithExtremeLimits(t *testing.T) {
	b := newScriptTest(t, perSecond(7), 7)
	b.want("a", tokenRequest{needed: 7}, tokenGrant{needed: 7, wait: 142858 * time.Microsecond})
	b = newScriptTest(t, config.Rate{Requests: 1, Per: time.Hour}, 1)
	b.want("a", tokenRequest{needed: 2, lease: 1}, tokenGrant{needed: 1, wait: time.Hour})
	b = newScriptTest(t, config.Rate{Requests: 1, Per: time.Hour}, 10_000_000)
	whole := int(b.limit.depth / b.limit.interval)
	b.want("a", tokenRequest{needed: 10_000_000}, tokenGrant{needed: whole, wait: time.Hour})
	if ttl := b.m.TTL("k"); ttl < time.Duration(whole)*time.Hour {
		t.Errorf("the key expires after %v", ttl)
	}
	b = newScriptTest(t, perSecond(1_000_000), 10_000_000)
	b.want("a", tokenRequest{needed: 10_000_000}, tokenGrant{needed: 10_000_000, wait: time.Microsecond})
}

func TestLeases(t *testing.T) {
	b := newScriptTest(t, perSecond(1), 80)
	b.want("a", tokenRequest{needed: 1, lease: 100, leaseID: 1}, tokenGrant{needed: 1, leased: 10}) // half of a quarter of the burst
	b.want("b", tokenRequest{needed: 1, lease: 100, leaseID: 1}, tokenGrant{needed: 1, leased: 5})  // half of what is left
	b.want("c", tokenRequest{needed: 1, lease: 1, leaseID: 1}, tokenGrant{needed: 1, leased: 1})
	b.want("c", tokenRequest{needed: 60, leaseID: 2, returning: 1, spent: 1}, tokenGrant{needed: 60})
	b.want("d", tokenRequest{needed: 9, leaseID: 2}, tokenGrant{needed: 1, wait: time.Second}) // 10 + 5 leased, 65 used
	// Returned tokens are available at once, for other gateways, too.
	b.want("a", tokenRequest{needed: 1, returning: 1, spent: 2}, tokenGrant{needed: 1})
	b.want("d", tokenRequest{needed: 9}, tokenGrant{needed: 7, wait: time.Second})
	// Leased tokens do not drain: they may still be spent.
	b.m.sleep(5 * time.Second)
	b.want("d", tokenRequest{needed: 9}, tokenGrant{needed: 5, wait: time.Second})
	// All tokens of an expired lease count as spent, at the latest possible time.
	b.m.sleep(2*leaseTime - 5*time.Second)
	b.want("d", tokenRequest{needed: 99}, tokenGrant{needed: 5, wait: time.Second})
	b.want("b", tokenRequest{needed: 99, returning: 1, spent: 5}, tokenGrant{wait: time.Second}) // too late: the lease has expired, and is not counted twice
	b.m.sleep(79 * time.Second)
	b.want("b", tokenRequest{needed: 99}, tokenGrant{needed: 79, wait: time.Second})
}

// A caller without tokens gets them in portions.
func TestPortions(t *testing.T) {
	b := newScriptTest(t, perSecond(1000), 1000)
	b.want("a", tokenRequest{needed: 1000, lease: 50}, tokenGrant{needed: 1000, wait: 50 * time.Millisecond})
	b.m.sleep(50 * time.Millisecond)
	b.want("a", tokenRequest{needed: 1, lease: 49, leaseID: 1}, tokenGrant{needed: 1, leased: 49, wait: 49 * time.Millisecond})
	b.want("b", tokenRequest{needed: 1}, tokenGrant{wait: time.Millisecond})
	b.want("b", tokenRequest{needed: 1, lease: 125}, tokenGrant{wait: 100 * time.Millisecond})
}

// A jump of the store's clock grants no additional tokens and blocks no caller.
func TestStoreClockJumps(t *testing.T) {
	b := newScriptTest(t, perSecond(1), 40)
	b.want("a", tokenRequest{needed: 1, lease: 4, leaseID: 1}, tokenGrant{needed: 1, leased: 4})
	b.want("b", tokenRequest{needed: 40}, tokenGrant{needed: 35, wait: time.Second})
	b.m.sleep(-time.Hour)
	b.want("b", tokenRequest{needed: 40}, tokenGrant{wait: time.Second})
	b.m.sleep(10 * time.Second)
	b.want("b", tokenRequest{needed: 40}, tokenGrant{needed: 10, wait: time.Second})
}

// The key of a caller expires when the caller has its full burst again.
func TestKeysExpire(t *testing.T) {
	b := newScriptTest(t, perSecond(1), 80)
	b.request("a", tokenRequest{needed: 3})
	if ttl := b.m.TTL("k"); ttl < 3*time.Second || ttl > 4*time.Second {
		t.Errorf("TTL %v", ttl)
	}
	b.request("a", tokenRequest{needed: 1, lease: 10, leaseID: 1})
	if ttl := b.m.TTL("k"); ttl < 2*leaseTime+14*time.Second || ttl > 2*leaseTime+15*time.Second {
		t.Errorf("TTL %v", ttl)
	}
	b.m.FastForward(time.Minute)
	if keys := b.m.Keys(); len(keys) != 0 {
		t.Errorf("%q did not expire", keys)
	}
}

// The script ignores a key that has another type or invalid fields.
func TestInvalidKeys(t *testing.T) {
	b := newScriptTest(t, perSecond(1), 2)
	b.m.Set("k", "something")
	b.want("a", tokenRequest{needed: 3}, tokenGrant{needed: 2, wait: time.Second})
	b.m.Del("k")
	b.m.HSet("k", "level", "x", "at", "y", "z", "!", "a:1", "1 x")
	b.want("a", tokenRequest{needed: 3}, tokenGrant{needed: 2, wait: time.Second})
	if fields, _ := b.m.HKeys("k"); strings.Join(fields, " ") != "at level" {
		t.Errorf("fields %q", fields)
	}
}
