package idempotent

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// each runs a test on every kind of store.
func each(t *testing.T, test func(t *testing.T, c rueidis.Client)) {
	t.Run("redis", func(t *testing.T) { test(t, redistest.Start(t).Client(redistest.NoRetry)) })
	t.Run("in memory", func(t *testing.T) { test(t, redistest.Connect(t, miniredis.RunT(t).Addr(), redistest.NoRetry)) })
}

// claimsOf returns the claims of one gateway. The timeout is long, since test machines may be busy.
func claimsOf(c rueidis.Client) *claims {
	return newClaims(func() (rueidis.Client, error) { return c, nil }, 0, patience)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// expect takes a key and checks the state in which it is found.
func expect(t testing.TB, c *claims, key string, print byte, want claimState) found {
	t.Helper()
	f, err := c.take(t.Context(), key, fingerprint{print}, time.Hour)
	check(t, err)
	if f.state != want {
		t.Fatalf("state %d, want %d", f.state, want)
	}
	if ours := f.claim != nil; ours != (want == stateTaken || want == stateTakenOver) {
		t.Fatalf("state %d, and the claim is ours: %v", f.state, ours)
	}
	return f
}

// expire ends the lease of a claim.
func expire(t testing.TB, c rueidis.Client, key string) {
	t.Helper()
	check(t, c.Do(t.Context(), c.B().Hset().Key(key).FieldValue().FieldValue("lease", "1").Build()).Error())
}
