package fleet

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	b := backoff{min: 100 * time.Millisecond, max: 30 * time.Second}
	for _, c := range []struct {
		failures        int
		ceiling, stable time.Duration
	}{
		{0, 0, time.Second},
		{1, 0, time.Second},
		{2, 100 * time.Millisecond, time.Second},
		{3, 200 * time.Millisecond, 2 * time.Second},
		{5, 800 * time.Millisecond, 8 * time.Second},
		{10, 25600 * time.Millisecond, 256 * time.Second},
		{11, 30 * time.Second, 300 * time.Second},
		{1 << 30, 30 * time.Second, 300 * time.Second},
	} {
		if got := b.ceiling(c.failures); got != c.ceiling {
			t.Errorf("ceiling after %d failures is %v, want %v", c.failures, got, c.ceiling)
		}
		if got := b.stableAfter(c.failures); got != c.stable {
			t.Errorf("stable after %d failures is %v, want %v", c.failures, got, c.stable)
		}
		for range 100 {
			if got := b.pause(c.failures); got < 0 || got > c.ceiling {
				t.Fatalf("pause after %d failures is %v, more than %v", c.failures, got, c.ceiling)
			}
		}
	}
}
