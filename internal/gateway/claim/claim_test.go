package claim

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

	"github.com/tenfold-go/tenfold/kit/redisscript"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// A key is free, then in flight, then done; its answer is kept as it was, whatever bytes it has.
func TestLifeOfAKey(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		a, b, key := claims(client), claims(client), KeyOf("shop", "ada", "key")
		mine := expect(t, a, key, 1, Taken).Claim
		if wait := expect(t, b, key, 1, InFlight).Wait; wait != time.Second {
			t.Errorf("it is worked on, ask again in %v", wait)
		}
		answer := Answer{Status: 201, Header: http.Header{"Location": {"/orders/1"}, "X-Raw": {"\xff\x80", ""}},
			Body: bytes.Repeat([]byte("\x00\r\n\xff"), 1<<19), Kept: true}
		check(t, mine.Complete(t.Context(), answer))
		if got := expect(t, b, key, 1, Done).Answer; !reflect.DeepEqual(got, answer) {
			t.Errorf("got %d %v and %d bytes", got.Status, got.Header, len(got.Body))
		}
		check(t, mine.Abandon(t.Context())) // too late: it stays
		expect(t, b, key, 1, Done)

		unkept := expect(t, a, KeyOf("other"), 1, Taken).Claim
		check(t, unkept.Complete(t.Context(), Answer{Status: 200}))
		if got := expect(t, b, KeyOf("other"), 1, Done).Answer; got.Kept || got.Status != 200 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestOnRedisCluster(t *testing.T) {
	client := redistest.StartCluster(t).Client(redistest.Cluster, redistest.NoRetry)
	c := claims(client)
	for _, key := range []Key{KeyOf("a"), KeyOf("b"), KeyOf("c")} {
		check(t, expect(t, c, key, 1, Taken).Claim.Abandon(t.Context()))
		expect(t, c, key, 1, Taken)
		expire(t, client, key)
		mine := expect(t, c, key, 1, TakenOver).Claim
		check(t, mine.tell(t.Context(), "renew", renewScript, "30000", "30000"))
		check(t, mine.Complete(t.Context(), Answer{Status: 200, Kept: true}))
		expect(t, c, key, 1, Done)
		expect(t, c, key, 2, Mismatch)
	}
}

// An abandoned key is as free as a new one, for any request.
func TestAbandon(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claims(client), KeyOf("key")
		check(t, expect(t, c, key, 1, Taken).Claim.Abandon(t.Context()))
		expect(t, c, key, 2, Taken)
	})
}

// Another request under the key is told so, whatever became of the first.
func TestMismatch(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claims(client), KeyOf("key")
		mine := expect(t, c, key, 1, Taken).Claim
		expect(t, c, key, 2, Mismatch)
		expire(t, client, key)
		expect(t, c, key, 2, Mismatch)
		check(t, mine.Complete(t.Context(), Answer{Status: 200, Kept: true}))
		expect(t, c, key, 2, Mismatch)
		expect(t, c, key, 1, Done)
	})
}

// Whoever was too slow for its lease has lost it, and can neither renew, nor record, nor free what is another's.
func TestTakeover(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claims(client), KeyOf("key")
		slow := expect(t, c, key, 1, Taken).Claim
		expire(t, client, key)
		mine := expect(t, c, key, 1, TakenOver).Claim
		lost := func(what string) {
			t.Helper()
			err := slow.tell(t.Context(), "renew", renewScript, "30000", "30000")
			if !errors.Is(err, ErrLost) {
				t.Errorf("%s, renewing a lost claim: %v", what, err)
			}
			if err := slow.Complete(t.Context(), Answer{Status: 500, Kept: true}); !errors.Is(err, ErrLost) {
				t.Errorf("%s, completing a lost claim: %v", what, err)
			}
			check(t, slow.Abandon(t.Context()))
		}
		lost("in flight")
		expect(t, c, key, 1, InFlight)
		check(t, mine.Complete(t.Context(), Answer{Status: 200, Kept: true}))
		lost("done")
		if got := expect(t, c, key, 1, Done).Answer.Status; got != 200 {
			t.Errorf("the answer is %d", got)
		}
	})
}

// A lease that ran out while nobody else came is still its owner's.
func TestLateOwnerWithoutSuccessor(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claims(client), KeyOf("key")
		mine := expect(t, c, key, 1, Taken).Claim
		expire(t, client, key)
		check(t, mine.tell(t.Context(), "renew", renewScript, "30000", "30000"))
		expect(t, c, key, 1, InFlight)
		expire(t, client, key)
		check(t, mine.Complete(t.Context(), Answer{Status: 200, Kept: true}))
		expect(t, c, key, 1, Done)
	})
}

// A store that lost its memory is told again.
func TestForgottenClaim(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claims(client), KeyOf("key")
		mine := expect(t, c, key, 1, Taken).Claim
		forget := func() { check(t, client.Do(t.Context(), client.B().Del().Key(string(key)).Build()).Error()) }
		forget()
		check(t, mine.tell(t.Context(), "renew", renewScript, "30000", "30000"))
		expect(t, c, key, 1, InFlight)
		forget()
		check(t, mine.Complete(t.Context(), Answer{Status: 200, Kept: true}))
		expect(t, c, key, 1, Done)
	})
}

// Whatever is told twice, because the first answer got lost, has happened once.
func TestEveryCallCanBeRepeated(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claims(client), KeyOf("key")
		twice := c.eval
		c.eval = func(ctx context.Context, s *redisscript.Script, key string, args ...string) ([]rueidis.RedisMessage, error) {
			if _, err := twice(ctx, s, key, args...); err != nil {
				return nil, err
			}
			return twice(ctx, s, key, args...)
		}
		check(t, expect(t, c, key, 1, Taken).Claim.Abandon(t.Context()))
		mine := expect(t, c, key, 1, Taken).Claim
		check(t, mine.tell(t.Context(), "renew", renewScript, "30000", "30000"))
		check(t, mine.Complete(t.Context(), Answer{Status: 200, Kept: true}))
		expect(t, c, key, 1, Done)
	})
}

func TestOneOfManyGetsTheKey(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claims(client), KeyOf("key")
		var taken, inFlight atomic.Int64
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				found, err := c.Take(t.Context(), key, Print{}, time.Hour)
				switch {
				case err != nil:
					t.Error(err)
				case found.State == Taken:
					taken.Add(1)
				case found.State == InFlight:
					inFlight.Add(1)
				}
			})
		}
		all.Wait()
		if taken.Load() != 1 || inFlight.Load() != 99 {
			t.Errorf("%d took it, %d were told to wait", taken.Load(), inFlight.Load())
		}
	})
}

// A record is forgotten when its time is over, and a claim not before its lease is.
func TestTimes(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claims(client), KeyOf("key")
		left := func(atMost time.Duration) {
			t.Helper()
			ms, err := client.Do(t.Context(), client.B().Pttl().Key(string(key)).Build()).AsInt64()
			check(t, err)
			if d := time.Duration(ms) * time.Millisecond; d <= atMost-patience || d > atMost {
				t.Errorf("kept for %v, want %v", d, atMost)
			}
		}
		found, err := c.Take(t.Context(), key, Print{}, time.Second)
		check(t, err)
		left(30 * time.Second)
		found.Claim.ttl = 24 * time.Hour
		check(t, found.Claim.Complete(t.Context(), Answer{Status: 200, Kept: true}))
		left(24 * time.Hour)
	})
	server := miniredis.RunT(t)
	c, key := claims(redistest.Connect(t, server.Addr(), redistest.NoRetry)), KeyOf("key")
	check(t, expect(t, c, key, 1, Taken).Claim.Complete(t.Context(), Answer{Status: 200, Kept: true}))
	server.FastForward(time.Hour - time.Second)
	expect(t, c, key, 1, Done)
	server.FastForward(time.Second)
	expect(t, c, key, 2, Taken)
}

// Who is asked to come back later is told when: at once while the owner lives, else when its lease is over.
func TestWhenToAskAgain(t *testing.T) {
	server := miniredis.RunT(t)
	c, key := claims(redistest.Connect(t, server.Addr(), redistest.NoRetry)), KeyOf("key")
	now := time.Unix(2_000_000_000, 0)
	server.SetTime(now)
	expect(t, c, key, 1, Taken)
	for _, step := range []struct{ at, wait time.Duration }{{10 * time.Second, time.Second}, {16 * time.Second, 14 * time.Second},
		{29500 * time.Millisecond, 500 * time.Millisecond}} {
		server.SetTime(now.Add(step.at))
		if wait := expect(t, c, key, 1, InFlight).Wait; wait != step.wait {
			t.Errorf("after %v: ask again in %v, want %v", step.at, wait, step.wait)
		}
	}
	server.SetTime(now.Add(30 * time.Second))
	expect(t, c, key, 1, TakenOver)
}

// The store learns neither who the caller is nor the key that he chose.
func TestKeyOf(t *testing.T) {
	seen := map[Key]bool{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"", "ab"}, {"\x00\xff{}"}, {strings.Repeat("x", 1<<16)}} {
		key := KeyOf(parts...)
		if len(key) != len("tenfold:claim:")+43 || strings.ContainsAny(string(key), "{} \r\n") || seen[key] {
			t.Errorf("%.20q: %s", parts, key)
		}
		seen[key] = true
	}
	if again := KeyOf("a", "b"); !seen[again] {
		t.Errorf("a key is not a function of its parts: %s", again)
	}
}

// answering is a store that answers as it is told.
func answering(answer func(s *redisscript.Script) error) *Claims {
	c := New(nil, nil)
	c.eval = func(_ context.Context, s *redisscript.Script, _ string, _ ...string) ([]rueidis.RedisMessage, error) {
		return nil, answer(s)
	}
	return c
}

// A lease is renewed in good time, also when the store was away for most of it.
func TestHoldRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var at []time.Duration
		away := errors.New("away")
		c := answering(func(s *redisscript.Script) error {
			if s == renewScript {
				at = append(at, time.Since(begun))
			}
			return away
		})
		ctx, cancel := context.WithTimeout(t.Context(), 13*time.Second)
		defer cancel()
		if err := (&Claim{claims: c}).Hold(ctx); err != nil {
			t.Error(err)
		}
		want := []time.Duration{10, 10, 11, 11, 12, 12} // twice, for the connection may have broken
		for i := range want {
			want[i] *= time.Second
		}
		if len(at) < len(want) || !reflect.DeepEqual(at[:len(want)], want) {
			t.Errorf("tried at %v", at)
		}
	})
}

func TestHoldOnTheServer(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claims(client), KeyOf("key")
		c.lease = 30 * time.Millisecond
		claim := expect(t, c, key, 1, Taken).Claim
		lease := func() string {
			s, err := client.Do(t.Context(), client.B().Hget().Key(string(key)).Field("lease").Build()).ToString()
			check(t, err)
			return s
		}
		first := lease()
		ctx, cancel := context.WithCancel(t.Context())
		held := make(chan error, 1)
		go func() { held <- claim.Hold(ctx) }()
		for deadline := time.Now().Add(patience); lease() == first; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the lease is not renewed")
			}
		}
		cancel()
		if err := <-held; err != nil {
			t.Error(err)
		}
		check(t, client.Do(t.Context(), client.B().Hset().Key(string(key)).FieldValue().FieldValue("owner", "another").Build()).Error())
		if err := claim.Hold(t.Context()); !errors.Is(err, ErrLost) {
			t.Errorf("holding another's claim: %v", err)
		}
	})
}

// A connection that breaks is not the end, but neither is anything tried for ever.
func TestBrokenConnections(t *testing.T) {
	calls, broken := 0, io.ErrUnexpectedEOF
	c := answering(func(*redisscript.Script) error { calls++; return broken })
	found, err := c.Take(t.Context(), "key", Print{}, time.Hour)
	if !errors.Is(err, broken) || calls != 2 || found.Claim == nil {
		t.Errorf("%v after %d calls, claim %v", err, calls, found.Claim)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	calls = 0
	if err := found.Claim.Complete(over, Answer{Status: 200}); !errors.Is(err, broken) || calls != 1 {
		t.Errorf("%v after %d calls, and nobody waited", err, calls)
	}
	none := errors.New("there is no store")
	c = New(func() (rueidis.Client, error) { return nil, none }, nil)
	if _, err := c.Take(t.Context(), "key", Print{}, time.Hour); !errors.Is(err, none) {
		t.Error(err)
	}
}

// A store that hangs is not waited for. What it does when it wakes up can be undone.
func TestHangingStore(t *testing.T) {
	address := redistest.Start(t).Addr()
	admin := redistest.Connect(t, address, redistest.NoRetry)
	client := redistest.Connect(t, address, redistest.NoRetry)
	patient, key := claims(client), KeyOf("key")
	hasty := New(func() (rueidis.Client, error) { return client, nil }, &Options{Timeout: 50 * time.Millisecond})
	var found Found
	var err error
	for deadline := time.Now().Add(patience); err == nil; {
		if time.Now().After(deadline) {
			t.Fatal("the server does not pause")
		}
		// Until the pause holds, the key is taken and freed again.
		check(t, admin.Do(t.Context(), admin.B().ClientPause().Timeout(1000).All().Build()).Error())
		found, err = hasty.Take(t.Context(), key, Print{1}, time.Hour)
		if err == nil {
			found.Claim.Abandon(t.Context())
		}
	}
	if !errors.Is(err, context.DeadlineExceeded) || found.Claim == nil {
		t.Fatalf("%v, claim %v", err, found.Claim)
	}
	found.Claim.claims = patient
	check(t, found.Claim.Abandon(t.Context()))
	expect(t, patient, key, 2, Taken)
}

// What another program has written there is an error or, where an answer should be, one that cannot be read.
func TestForeignData(t *testing.T) {
	each(t, func(t *testing.T, client rueidis.Client) {
		c, key := claims(client), KeyOf("key")
		check(t, client.Do(t.Context(), client.B().Set().Key(string(key)).Value("x").Build()).Error())
		if found, err := c.Take(t.Context(), key, Print{1}, time.Hour); err == nil {
			t.Errorf("found %+v", found)
		}
		check(t, client.Do(t.Context(), client.B().Del().Key(string(key)).Build()).Error())
		mine := expect(t, c, key, 1, Taken).Claim
		check(t, mine.tell(t.Context(), "write", completeScript, "garbage", "60000"))
		if got := expect(t, c, key, 1, Done).Answer; got.Status != 0 || got.Kept {
			t.Errorf("read %+v", got)
		}
	})
}
