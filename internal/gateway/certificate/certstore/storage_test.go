package certstore

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// gateways returns the storages of several gateways on one store, with a short lease.
func gateways(t *testing.T, n int, lease time.Duration) (all []*Storage) {
	t.Helper()
	client := redistest.Start(t).Client()
	for range n {
		s := New(func() (rueidis.Client, error) { return client, nil })
		s.lease = lease
		all = append(all, s)
	}
	return all
}

func TestValues(t *testing.T) {
	s := gateways(t, 1, time.Minute)[0]
	ctx := t.Context()
	if _, err := s.Load(ctx, "a/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("load: %v", err)
	}
	if _, err := s.Stat(ctx, "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat: %v", err)
	}
	binary := []byte{0, 1, 0xff, '\n'}
	for _, key := range []string{"a/b/c", "a/b/d", "a/e", "ab/f"} {
		if err := s.Store(ctx, key, binary); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := s.Load(ctx, "a/b/c"); !bytes.Equal(v, binary) || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	info, err := s.Stat(ctx, "a/b/c")
	if err != nil || !info.IsTerminal || info.Size != 4 || time.Since(info.Modified) > time.Minute {
		t.Errorf("stat: %+v, %v", info, err)
	}
	if info, err := s.Stat(ctx, "a/b"); err != nil || info.IsTerminal {
		t.Errorf("stat of a directory: %+v, %v", info, err)
	}
	for _, c := range []struct {
		path      string
		recursive bool
		want      []string
	}{
		{"a", true, []string{"a/b/c", "a/b/d", "a/e"}},
		{"a", false, []string{"a/b", "a/e"}},
		{"", false, []string{"a", "ab"}},
	} {
		if got, err := s.List(ctx, c.path, c.recursive); !slices.Equal(got, c.want) || err != nil {
			t.Errorf("list %q %v: %q, %v", c.path, c.recursive, got, err)
		}
	}
	if err := s.Delete(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if s.Exists(ctx, "a/b/c") || s.Exists(ctx, "a") || !s.Exists(ctx, "ab/f") {
		t.Error("delete removed the wrong values")
	}
	if err := s.Delete(ctx, "missing"); err != nil {
		t.Errorf("delete of a missing key: %v", err)
	}
}

// A lock is held by one gateway at a time, for longer than its lease while the gateway lives.
func TestLocksExcludeEachOther(t *testing.T) {
	g := gateways(t, 2, 300*time.Millisecond)
	if err := g[0].Lock(t.Context(), "issue"); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := g[1].Lock(short, "issue"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the second gateway: %v", err)
	}
	locked := make(chan error, 1)
	go func() { locked <- g[1].Lock(t.Context(), "issue") }()
	if err := g[0].Unlock(t.Context(), "issue"); err != nil {
		t.Fatal(err)
	}
	if err := <-locked; err != nil {
		t.Fatal(err)
	}
	if err := g[1].Unlock(t.Context(), "issue"); err != nil {
		t.Fatal(err)
	}
	if err := g[1].Unlock(t.Context(), "issue"); err == nil {
		t.Error("a lock that is not held was released")
	}
}

// A gateway that was stopped for longer than its lease loses the lock, and cannot write after the next one.
func TestLostLockCannotWrite(t *testing.T) {
	g := gateways(t, 2, time.Minute)
	slow := Operation(t.Context())
	if err := g[0].Lock(slow, "issue"); err != nil {
		t.Fatal(err)
	}
	if err := g[0].Store(slow, "cert", []byte("first")); err != nil {
		t.Fatal(err)
	}
	c, _ := g[0].client()
	if err := c.Do(t.Context(), c.B().Del().Key(lockKey("issue")).Build()).Error(); err != nil { // the lease expires
		t.Fatal(err)
	}
	if err := g[0].Store(slow, "cert", []byte("late")); !errors.Is(err, ErrLockLost) {
		t.Errorf("a write after the lease: %v", err)
	}
	next := Operation(t.Context())
	if err := g[1].Lock(next, "issue"); err != nil {
		t.Fatal(err)
	}
	if err := g[1].Store(next, "cert", []byte("second")); err != nil {
		t.Fatal(err)
	}
	if err := g[0].Store(slow, "cert", []byte("late")); !errors.Is(err, ErrLockLost) {
		t.Errorf("a write of the first operation: %v", err)
	}
	if err := g[0].Unlock(slow, "issue"); err != nil { // and must not release the lock of the other one
		t.Fatal(err)
	}
	if err := g[1].Store(next, "cert", []byte("third")); err != nil {
		t.Errorf("the second operation lost its lock: %v", err)
	}
	if v, err := g[0].Load(t.Context(), "cert"); string(v) != "third" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	g[1].Unlock(next, "issue")
}

// The lock of a gateway that is gone expires.
func TestLockOfAGoneGatewayExpires(t *testing.T) {
	g := gateways(t, 2, 300*time.Millisecond)
	if err := g[0].Lock(t.Context(), "issue"); err != nil {
		t.Fatal(err)
	}
	g[0].locks["issue"].stop() // it renews its lease no more
	<-g[0].locks["issue"].done
	if err := g[1].Lock(t.Context(), "issue"); err != nil {
		t.Fatal(err)
	}
	g[1].Unlock(t.Context(), "issue")
}

func TestStoreIsAway(t *testing.T) {
	away := errors.New("away")
	s := New(func() (rueidis.Client, error) { return nil, away })
	for name, err := range map[string]error{
		"store": s.Store(t.Context(), "a", nil), "lock": s.Lock(t.Context(), "a"), "delete": s.Delete(t.Context(), "a"),
		"load": func() error { _, err := s.Load(t.Context(), "a"); return err }(),
		"list": func() error { _, err := s.List(t.Context(), "a", true); return err }(),
		"stat": func() error { _, err := s.Stat(t.Context(), "a"); return err }(),
	} {
		if !errors.Is(err, away) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
