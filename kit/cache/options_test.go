package cache

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/position"
)

func TestBadInput(t *testing.T) {
	client := startServer(t).Client()
	load := func(context.Context, string) ([]byte, error) { return make([]byte, 2000), nil }
	c, err := New(client, "test", load, &Options[string, []byte]{
		Tuning: Tuning{MaxValueBytes: 1000, L1Lease: 200 * time.Millisecond, StoreTimeout: patient},
	})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 513)
	ke := (*KeyError)(nil)
	if _, err := c.Get(t.Context(), long); !errors.As(err, &ke) || ke.Bytes != 513 {
		t.Errorf("Get of a long key returns %v", err)
	}
	if err := c.Invalidate(t.Context(), long); !errors.As(err, &ke) {
		t.Errorf("Invalidate of a long key returns %v", err)
	}
	for _, key := range []string{"", "\x00\xff|}{", "a|b|c|d", "ключ"} {
		if v, err := c.Get(t.Context(), key); err != nil || len(v) != 2000 {
			t.Errorf("key %q: %v", key, err)
		}
		if err := c.Invalidate(t.Context(), key); err != nil {
			t.Errorf("key %q: %v", key, err)
		}
	}
	if s := c.Stats(); s.Unstorable != 4 || s.HitsL2 != 0 {
		t.Errorf("a value over the limit was stored: %+v", s)
	}
	for _, bad := range []func() error{
		func() error { _, err := New(client, "a b", load, nil); return err },
		func() error { _, err := New(client, "", load, nil); return err },
		func() error { _, err := New[string, []byte](client, "a", nil, nil); return err },
		func() error { _, err := NewReplicated[string, []byte](client, "a", nil, nil); return err },
		func() error { _, err := New(nil, "a", load, nil); return err },
		func() error { _, err := New(client, "a", load, &Options[string, []byte]{TTL: -1}); return err },
		func() error {
			_, err := New(client, "a", load, &Options[string, []byte]{Tuning: Tuning{FillWait: -1}})
			return err
		},
		func() error {
			_, err := New(client, "a", load, &Options[string, []byte]{Tuning: Tuning{Jitter: 2}})
			return err
		},
		func() error { _, err := New(client, "a", load, &Options[string, []byte]{Version: "{}"}); return err },
		func() error {
			_, err := New(client, "a", func(context.Context, [2]int) (v int, err error) { return v, nil }, nil)
			return err
		},
	} {
		if err := bad(); err == nil {
			t.Error("accepted")
		} else {
			t.Log(err)
		}
	}
}

func TestPositionsAreOrderedAsTheirText(t *testing.T) {
	ordered := []position.Position{
		{}, pos(0, 1), pos(0, 1<<40), pos(1, 0), pos(1, 9), pos(1, 10), pos(16, 0), position.Primary,
	}
	for i, p := range ordered {
		if q, err := decodePosition(encodePosition(p)); err != nil || q != p {
			t.Errorf("%v: %v %v", p, q, err)
		}
		for j, q := range ordered {
			if p.Before(q) != (i < j) || (encodePosition(p) < encodePosition(q)) != (i < j) {
				t.Errorf("order of %v and %v", p, q)
			}
		}
	}
}
