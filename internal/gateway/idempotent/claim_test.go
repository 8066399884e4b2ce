package idempotent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/internal/gateway/response"
	"github.com/tenfold-go/tenfold/kit/redisscript"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// A key is free, then in flight, then done. The result is recorded byte by byte.
func TestLifeOfAKey(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		a, b, key := claimsOf(client), claimsOf(client), StoreKey("shop", "ada", "key")
		mine := expect(t, a, key, 1, stateTaken).claim
		if wait := expect(t, b, key, 1, stateInFlight).wait; wait != time.Second {
			t.Errorf("in flight: ask again in %v", wait)
		}
		want := result{response.Response{Status: 201, Header: http.Header{"Location": {"/orders/1"}, "X-Raw": {"\xff\x80", ""}},
			Body: bytes.Repeat([]byte("\x00\r\n\xff"), 1<<19)}, true}
		check(t, mine.complete(t.Context(), want))
		if got := expect(t, b, key, 1, stateDone).result; !reflect.DeepEqual(got, want) {
			t.Errorf("got %d %v and %d bytes", got.response.Status, got.response.Header, len(got.response.Body))
		}
		check(t, mine.release(t.Context())) // the result stays
		expect(t, b, key, 1, stateDone)

		unkept := expect(t, a, StoreKey("other"), 1, stateTaken).claim
		check(t, unkept.complete(t.Context(), result{response: response.Response{Status: 200}}))
		if got := expect(t, b, StoreKey("other"), 1, stateDone).result; got.kept || got.response.Status != 200 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestOnRedisCluster(t *testing.T) {
	client := redistest.StartCluster(t).Client(redistest.Cluster, redistest.NoRetry)
	c := claimsOf(client)
	for _, key := range []string{StoreKey("a"), StoreKey("b"), StoreKey("c")} {
		check(t, expect(t, c, key, 1, stateTaken).claim.release(t.Context()))
		expect(t, c, key, 1, stateTaken)
		expire(t, client, key)
		mine := expect(t, c, key, 1, stateTakenOver).claim
		check(t, mine.tell(t.Context(), "renew", renewScript, "30000", "30000"))
		check(t, mine.complete(t.Context(), keptStatus(200)))
		expect(t, c, key, 1, stateDone)
		expect(t, c, key, 2, stateMismatch)
	}
}

// After release, any request can take the key.
func TestRelease(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claimsOf(client), StoreKey("key")
		check(t, expect(t, c, key, 1, stateTaken).claim.release(t.Context()))
		expect(t, c, key, 2, stateTaken)
	})
}

// A different request with the key is a mismatch, in every state of the first request.
func TestMismatch(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claimsOf(client), StoreKey("key")
		mine := expect(t, c, key, 1, stateTaken).claim
		expect(t, c, key, 2, stateMismatch)
		expire(t, client, key)
		expect(t, c, key, 2, stateMismatch)
		check(t, mine.complete(t.Context(), keptStatus(200)))
		expect(t, c, key, 2, stateMismatch)
		expect(t, c, key, 1, stateDone)
	})
}

// An owner whose lease expired can neither renew, nor record, nor release the claim of its successor.
func TestTakeover(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claimsOf(client), StoreKey("key")
		slow := expect(t, c, key, 1, stateTaken).claim
		expire(t, client, key)
		mine := expect(t, c, key, 1, stateTakenOver).claim
		lost := func(what string) {
			t.Helper()
			err := slow.tell(t.Context(), "renew", renewScript, "30000", "30000")
			if !errors.Is(err, errClaimLost) {
				t.Errorf("%s, renewing a lost claim: %v", what, err)
			}
			if err := slow.complete(t.Context(), keptStatus(500)); !errors.Is(err, errClaimLost) {
				t.Errorf("%s, completing a lost claim: %v", what, err)
			}
			check(t, slow.release(t.Context()))
		}
		lost("in flight")
		expect(t, c, key, 1, stateInFlight)
		check(t, mine.complete(t.Context(), keptStatus(200)))
		lost("done")
		if got := expect(t, c, key, 1, stateDone).result.response.Status; got != 200 {
			t.Errorf("the status is %d", got)
		}
	})
}

// An owner whose lease expired keeps the claim if no other gateway took it.
func TestExpiredOwnerWithoutSuccessor(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claimsOf(client), StoreKey("key")
		mine := expect(t, c, key, 1, stateTaken).claim
		expire(t, client, key)
		check(t, mine.tell(t.Context(), "renew", renewScript, "30000", "30000"))
		expect(t, c, key, 1, stateInFlight)
		expire(t, client, key)
		check(t, mine.complete(t.Context(), keptStatus(200)))
		expect(t, c, key, 1, stateDone)
	})
}

// A store that lost the claim accepts renewal and result.
func TestForgottenClaim(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claimsOf(client), StoreKey("key")
		mine := expect(t, c, key, 1, stateTaken).claim
		forget := func() { check(t, client.Do(t.Context(), client.B().Del().Key(key).Build()).Error()) }
		forget()
		check(t, mine.tell(t.Context(), "renew", renewScript, "30000", "30000"))
		expect(t, c, key, 1, stateInFlight)
		forget()
		check(t, mine.complete(t.Context(), keptStatus(200)))
		expect(t, c, key, 1, stateDone)
	})
}

// Each script is idempotent: a call is repeated when its reply was lost.
func TestEveryCallCanBeRepeated(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claimsOf(client), StoreKey("key")
		twice := c.eval
		c.eval = func(ctx context.Context, s *redisscript.Script, key string, args ...string) ([]rueidis.RedisMessage, error) {
			if _, err := twice(ctx, s, key, args...); err != nil {
				return nil, err
			}
			return twice(ctx, s, key, args...)
		}
		check(t, expect(t, c, key, 1, stateTaken).claim.release(t.Context()))
		mine := expect(t, c, key, 1, stateTaken).claim
		check(t, mine.tell(t.Context(), "renew", renewScript, "30000", "30000"))
		check(t, mine.complete(t.Context(), keptStatus(200)))
		expect(t, c, key, 1, stateDone)
	})
}

func TestOneOfManyGetsTheKey(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claimsOf(client), StoreKey("key")
		var taken, inFlight atomic.Int64
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				found, err := c.take(t.Context(), key, fingerprint{}, time.Hour)
				switch {
				case err != nil:
					t.Error(err)
				case found.state == stateTaken:
					taken.Add(1)
				case found.state == stateInFlight:
					inFlight.Add(1)
				}
			})
		}
		all.Wait()
		if taken.Load() != 1 || inFlight.Load() != 99 {
			t.Errorf("%d took the key, %d found it in flight", taken.Load(), inFlight.Load())
		}
	})
}

// A result expires after its TTL. A claim never expires before its lease.
func TestTimes(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claimsOf(client), StoreKey("key")
		left := func(atMost time.Duration) {
			t.Helper()
			ms, err := client.Do(t.Context(), client.B().Pttl().Key(key).Build()).AsInt64()
			check(t, err)
			if d := time.Duration(ms) * time.Millisecond; d <= atMost-patience || d > atMost {
				t.Errorf("kept for %v, want %v", d, atMost)
			}
		}
		found, err := c.take(t.Context(), key, fingerprint{}, time.Second)
		check(t, err)
		left(30 * time.Second)
		found.claim.ttl = 24 * time.Hour
		check(t, found.claim.complete(t.Context(), keptStatus(200)))
		left(24 * time.Hour)
	})
	server := miniredis.RunT(t)
	c, key := claimsOf(redistest.Connect(t, server.Addr(), redistest.NoRetry)), StoreKey("key")
	check(t, expect(t, c, key, 1, stateTaken).claim.complete(t.Context(), keptStatus(200)))
	server.FastForward(time.Hour - time.Second)
	expect(t, c, key, 1, stateDone)
	server.FastForward(time.Second)
	expect(t, c, key, 2, stateTaken)
}

// The wait is short while the owner renews its lease, and else lasts until the lease expires.
func TestWhenToAskAgain(t *testing.T) {
	server := miniredis.RunT(t)
	c, key := claimsOf(redistest.Connect(t, server.Addr(), redistest.NoRetry)), StoreKey("key")
	now := time.Unix(2_000_000_000, 0)
	server.SetTime(now)
	expect(t, c, key, 1, stateTaken)
	for _, step := range []struct{ at, wait time.Duration }{{10 * time.Second, time.Second}, {16 * time.Second, 14 * time.Second},
		{29500 * time.Millisecond, 500 * time.Millisecond}} {
		server.SetTime(now.Add(step.at))
		if wait := expect(t, c, key, 1, stateInFlight).wait; wait != step.wait {
			t.Errorf("after %v: ask again in %v, want %v", step.at, wait, step.wait)
		}
	}
	server.SetTime(now.Add(30 * time.Second))
	expect(t, c, key, 1, stateTakenOver)
}

// The key in the store reveals neither the caller nor the idempotency key.
func TestStoreKey(t *testing.T) {
	seen := map[string]bool{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"", "ab"}, {"\x00\xff{}"}, {strings.Repeat("x", 1<<16)}} {
		key := StoreKey(parts...)
		if len(key) != len("tenfold:claim:")+43 || strings.ContainsAny(key, "{} \r\n") || seen[key] {
			t.Errorf("%.20q: %s", parts, key)
		}
		seen[key] = true
	}
	if again := StoreKey("a", "b"); !seen[again] {
		t.Errorf("the same parts make another key: %s", again)
	}
}

// fakeStore returns claims in a store that returns the errors of reply.
func fakeStore(reply func(s *redisscript.Script) error) *claims {
	c := newClaims(nil, 0, 0)
	c.eval = func(_ context.Context, s *redisscript.Script, _ string, _ ...string) ([]rueidis.RedisMessage, error) {
		return nil, reply(s)
	}
	return c
}

// The lease is renewed in time, and more often while the store cannot be reached.
func TestRenewalTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var at []time.Duration
		away := errors.New("away")
		c := fakeStore(func(s *redisscript.Script) error {
			if s == renewScript {
				at = append(at, time.Since(begun))
			}
			return away
		})
		ctx, cancel := context.WithTimeout(t.Context(), 13*time.Second)
		defer cancel()
		if err := (&claim{claims: c}).renewUntil(ctx); err != nil {
			t.Error(err)
		}
		want := []time.Duration{10, 10, 11, 11, 12, 12} // two calls each, since the connection may have broken
		for i := range want {
			want[i] *= time.Second
		}
		if len(at) < len(want) || !reflect.DeepEqual(at[:len(want)], want) {
			t.Errorf("tried at %v", at)
		}
	})
}

func TestRenewalOnTheServer(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claimsOf(client), StoreKey("key")
		c.lease = 30 * time.Millisecond
		claim := expect(t, c, key, 1, stateTaken).claim
		lease := func() string {
			s, err := client.Do(t.Context(), client.B().Hget().Key(key).Field("lease").Build()).ToString()
			check(t, err)
			return s
		}
		first := lease()
		ctx, cancel := context.WithCancel(t.Context())
		held := make(chan error, 1)
		go func() { held <- claim.renewUntil(ctx) }()
		for deadline := time.Now().Add(patience); lease() == first; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the lease is not renewed")
			}
		}
		cancel()
		if err := <-held; err != nil {
			t.Error(err)
		}
		check(t, client.Do(t.Context(), client.B().Hset().Key(key).FieldValue().FieldValue("owner", "another").Build()).Error())
		if err := claim.renewUntil(t.Context()); !errors.Is(err, errClaimLost) {
			t.Errorf("renewing the claim of another gateway: %v", err)
		}
	})
}

// A call is repeated once after a broken connection.
func TestBrokenConnections(t *testing.T) {
	calls, broken := 0, io.ErrUnexpectedEOF
	c := fakeStore(func(*redisscript.Script) error { calls++; return broken })
	found, err := c.take(t.Context(), "key", fingerprint{}, time.Hour)
	if !errors.Is(err, broken) || calls != 2 || found.claim == nil {
		t.Errorf("%v after %d calls, claim %v", err, calls, found.claim)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	calls = 0
	if err := found.claim.complete(over, result{response: response.Response{Status: 200}}); !errors.Is(err, broken) || calls != 1 {
		t.Errorf("%v after %d calls with a cancelled context", err, calls)
	}
	none := errors.New("there is no store")
	c = newClaims(func() (rueidis.Client, error) { return nil, none }, 0, 0)
	if _, err := c.take(t.Context(), "key", fingerprint{}, time.Hour); !errors.Is(err, none) {
		t.Error(err)
	}
}

// take gives up on a hanging store. A claim that the store makes later can be released.
func TestHangingStore(t *testing.T) {
	address := redistest.Start(t).Addr()
	admin := redistest.Connect(t, address, redistest.NoRetry)
	client := redistest.Connect(t, address, redistest.NoRetry)
	patient, key := claimsOf(client), StoreKey("key")
	hasty := newClaims(func() (rueidis.Client, error) { return client, nil }, 0, 50*time.Millisecond)
	var f found
	var err error
	for deadline := time.Now().Add(patience); err == nil; {
		if time.Now().After(deadline) {
			t.Fatal("the server does not pause")
		}
		// Until the pause is in effect, the key is taken and released again.
		check(t, admin.Do(t.Context(), admin.B().ClientPause().Timeout(1000).All().Build()).Error())
		f, err = hasty.take(t.Context(), key, fingerprint{1}, time.Hour)
		if err == nil {
			f.claim.release(t.Context())
		}
	}
	if !errors.Is(err, context.DeadlineExceeded) || f.claim == nil {
		t.Fatalf("%v, claim %v", err, f.claim)
	}
	f.claim.claims = patient
	check(t, f.claim.release(t.Context()))
	expect(t, patient, key, 2, stateTaken)
}

// A foreign value under the key is an error. An unreadable result is a result without a status.
func TestForeignData(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claimsOf(client), StoreKey("key")
		check(t, client.Do(t.Context(), client.B().Set().Key(key).Value("x").Build()).Error())
		if found, err := c.take(t.Context(), key, fingerprint{1}, time.Hour); err == nil {
			t.Errorf("found %+v", found)
		}
		check(t, client.Do(t.Context(), client.B().Del().Key(key).Build()).Error())
		mine := expect(t, c, key, 1, stateTaken).claim
		check(t, mine.tell(t.Context(), "write", completeScript, "garbage", "60000"))
		if got := expect(t, c, key, 1, stateDone).result; got.response.Status != 0 || got.kept {
			t.Errorf("read %+v", got)
		}
	})
}

// keptStatus is a recorded response with a status only.
func keptStatus(status int) result { return result{response.Response{Status: status}, true} }
