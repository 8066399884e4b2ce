package claim

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

// claims are those of one gateway. What is waited for comes: machines that run tests may be busy.
func claims(c rueidis.Client) *Claims {
	return New(func() (rueidis.Client, error) { return c, nil }, &Options{Timeout: patience})
}

const patience = time.Minute

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// expect takes a key and checks how it was found.
func expect(t testing.TB, c *Claims, key Key, print byte, want State) Found {
	t.Helper()
	found, err := c.Take(t.Context(), key, Print{print}, time.Hour)
	check(t, err)
	if found.State != want {
		t.Fatalf("state %d, want %d", found.State, want)
	}
	if ours := found.Claim != nil; ours != (want == Taken || want == TakenOver) {
		t.Fatalf("state %d, and the claim is ours: %v", found.State, ours)
	}
	return found
}

// expire makes it the end of a claim's lease.
func expire(t testing.TB, c rueidis.Client, key Key) {
	t.Helper()
	check(t, c.Do(t.Context(), c.B().Hset().Key(string(key)).FieldValue().FieldValue("lease", "1").Build()).Error())
}
