package server

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var discard = slog.New(slog.DiscardHandler)

// journal records in which order parts end.
type journal struct {
	mu    sync.Mutex
	ended []string
}

// part takes as long as stop to end after its context.
func (j *journal) part(name string, stop time.Duration, result error) part {
	return part{name, func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(stop)
		j.mu.Lock()
		defer j.mu.Unlock()
		j.ended = append(j.ended, name)
		return result
	}}
}

func TestPartsStopInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		broken := errors.New("broken")
		err := runParts(ctx, []part{j.part("gateway", time.Minute, nil), j.part("fleet", time.Second, broken), j.part("store", 0, nil)}, discard)
		if want := []string{"gateway", "fleet", "store"}; !slices.Equal(j.ended, want) {
			t.Errorf("ended in the order %v; want %v", j.ended, want)
		}
		if !errors.Is(err, broken) {
			t.Errorf("returned %v; want the error of the fleet", err)
		}
	})
}

func TestAPartThatFailsStopsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		broken := errors.New("broken")
		failing := part{"fleet", func(context.Context) error { time.Sleep(time.Hour); return broken }}
		begun := time.Now()
		err := runParts(t.Context(), []part{j.part("gateway", 0, nil), failing, j.part("store", 0, nil)}, discard)
		if !errors.Is(err, broken) || time.Since(begun) != time.Hour {
			t.Errorf("returned %v after %v", err, time.Since(begun))
		}
		if want := []string{"gateway", "store"}; !slices.Equal(j.ended, want) {
			t.Errorf("ended in the order %v; want %v", j.ended, want)
		}
	})
}

func TestAPartThatEndsWithoutAnErrorStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		err := runParts(ctx, []part{{"empty", func(context.Context) error { return nil }}, j.part("store", 0, nil)}, discard)
		if err != nil || time.Since(begun) != time.Minute {
			t.Errorf("returned %v after %v; want nil after the end of the context", err, time.Since(begun))
		}
	})
}
