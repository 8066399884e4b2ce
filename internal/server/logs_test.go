package server

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestAccessRecordsAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &writes{}
		l := NewLogs(w, JSON)
		for i := range 3 {
			l.Access.Info("request", "n", i)
		}
		if len(w.parts()) != 0 {
			t.Errorf("written before anything else could come: %q", w.parts())
		}
		time.Sleep(logDelay)
		synctest.Wait()
		if len(w.parts()) != 1 || strings.Count(w.parts()[0], "\n") != 3 {
			t.Errorf("want three records in one write, got %q", w.parts())
		}
	})
}

func TestEventsAreWrittenAtOnceBehindWhatCameBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &writes{}
		l := NewLogs(w, Text)
		l.Access.Info("request")
		l.Events.Warn("node ejected")
		if len(w.parts()) != 1 || strings.Index(w.parts()[0], "request") > strings.Index(w.parts()[0], "node ejected") {
			t.Errorf("want both in their order, got %q", w.parts())
		}
		l.Access.Info("last request")
		l.Close()
		if len(w.parts()) != 2 || !strings.Contains(w.parts()[1], "last request") {
			t.Errorf("the last record is not written: %q", w.parts())
		}
		time.Sleep(time.Second) // for timers that may still be due
	})
}

// A burst must not be held in memory until the delay is over, and no record may come in two parts.
func TestBurstOfRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &writes{}
		l := NewLogs(w, JSON)
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				for j := range 1000 {
					l.Access.Info("request", "n", fmt.Sprint(i, j))
				}
			})
		}
		all.Wait()
		if len(w.parts()) < 10 {
			t.Errorf("10,000 records in %d writes", len(w.parts()))
		}
		l.Close()
		for _, part := range w.parts() {
			if len(part) > logSize+1000 || !strings.HasPrefix(part, "{") || !strings.HasSuffix(part, "}\n") {
				t.Errorf("a write of %d bytes: %.40q ... %q", len(part), part, part[max(0, len(part)-40):])
			}
		}
		if n := strings.Count(strings.Join(w.parts(), ""), "\n"); n != 10000 {
			t.Errorf("%d records of 10,000", n)
		}
		time.Sleep(time.Second)
	})
}

func TestLogGoesOnAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &writes{err: errors.New("no space left on device")}
		l := NewLogs(w, JSON)
		l.Access.Info("lost")
		time.Sleep(time.Second)
		synctest.Wait()
		w.fail(nil)
		l.Access.Info("kept")
		l.Close()
		if len(w.parts()) != 1 || !strings.Contains(w.parts()[0], "kept") || strings.Contains(w.parts()[0], "lost") {
			t.Errorf("got %q", w.parts())
		}
		time.Sleep(time.Second)
	})
}

// writes keeps each write apart.
type writes struct {
	mu  sync.Mutex
	all []string
	err error
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	w.all = append(w.all, string(p))
	return len(p), nil
}

func (w *writes) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func (w *writes) parts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all
}
