package ratelimit

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/store"
)

// fakeStore grants all requested tokens after a delay.
type fakeStore struct {
	mu       sync.Mutex
	err      error
	delay    time.Duration
	maxGrant int // tokens per request; 0: all
	requests []tokenRequest
}

func (f *fakeStore) request(ctx context.Context, key string, _ limit, r tokenRequest) (tokenGrant, error) {
	f.mu.Lock()
	err, delay, needed, leased := f.err, f.delay, r.needed, r.lease
	if key != "tenfold:rate:try" {
		f.requests = append(f.requests, r)
	}
	if f.maxGrant > 0 {
		needed, leased = min(needed, f.maxGrant), 0
	}
	f.mu.Unlock()
	select {
	case <-time.After(delay):
		return tokenGrant{needed: needed, leased: leased}, err
	case <-ctx.Done():
		return tokenGrant{}, ctx.Err()
	}
}

func (f *fakeStore) set(err error, delay time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.delay = err, delay
}

func (f *fakeStore) allRequests() []tokenRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]tokenRequest(nil), f.requests...)
}

// withFakeStore runs a test in fake time with one running gateway on a fake store.
func withFakeStore(t *testing.T, limits *config.Route, test func(t *testing.T, l *Limiter, f *fakeStore, log *logBuffer)) {
	synctest.Test(t, func(t *testing.T) {
		f, log := &fakeStore{}, &logBuffer{}
		all := New(nil, nil)
		all.shared = newShared(all.metrics, slog.New(slog.NewTextHandler(log, nil)), 50*time.Millisecond)
		all.shared.connect = func() (tokenStore, error) { return f, nil }
		l := all.Limiter(limits)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { all.Run(ctx); close(ended) }()
		synctest.Wait()
		test(t, l, f, log)
		cancel()
		<-ended
		if ok, _ := l.Admit("after the end"); !ok {
			t.Error("after the end of Run the gateway does not count alone")
		}
	})
}

// logBuffer is a log that goroutines may write while a test reads it.
type logBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.Buffer.String(), text)
}

// admit sends one request and measures how long the decision took.
func admit(l *Limiter) (ok bool, took time.Duration) {
	start := time.Now()
	ok, _ = l.Admit("caller")
	return ok, time.Since(start)
}

func TestRequestsOfOneCallerShareRoundTrips(t *testing.T) {
	withFakeStore(t, route(perSecond(1000), 1000, "fleet"), func(t *testing.T, l *Limiter, f *fakeStore, _ *logBuffer) {
		f.set(nil, 10*time.Millisecond)
		var all sync.WaitGroup
		var ok atomic.Int64
		for range 100 {
			all.Go(func() {
				if yes, took := admit(l); yes && took <= 20*time.Millisecond {
					ok.Add(1)
				}
			})
		}
		all.Wait()
		if requests := f.allRequests(); ok.Load() != 100 || len(requests) > 3 {
			t.Errorf("%d of 100 requests admitted in time, by %+v", ok.Load(), requests)
		}
	})
}

// A request does not wait indefinitely if the store grants one token at a time. After the timeout, the gateway decides
// alone.
func TestWaitIsBounded(t *testing.T) {
	withFakeStore(t, route(perSecond(1000), 1000, "fleet"), func(t *testing.T, l *Limiter, f *fakeStore, _ *logBuffer) {
		f.delay, f.maxGrant = 20*time.Millisecond, 1
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if ok, took := admit(l); !ok || took > 100*time.Millisecond {
					t.Errorf("%v after %v", ok, took)
				}
			})
		}
		all.Wait()
		if !l.shared.available() {
			t.Error("the store counts as unavailable")
		}
	})
}

// Refusals need no round trips.
func TestRefusalsNeedNoRoundTrip(t *testing.T) {
	withFakeStore(t, route(config.Rate{Requests: 1, Per: time.Hour}, 3, "fleet"), func(t *testing.T, l *Limiter, f *fakeStore, _ *logBuffer) {
		for i := range 100 {
			if ok, _ := admit(l); ok != (i < 3) {
				t.Errorf("request %d: %v", i, ok)
			}
		}
		if n := len(f.allRequests()); n > 3 {
			t.Errorf("%d requests to the store", n)
		}
	})
}

func TestUnavailableStore(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		delay time.Duration
		wait  time.Duration // of the first request
	}{
		"refuses": {errors.New("connection refused"), 0, 0},
		"hangs":   {nil, time.Hour, 50 * time.Millisecond},
		"is slow": {nil, 60 * time.Millisecond, 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			withFakeStore(t, route(perSecond(10), 10, "fleet"), func(t *testing.T, l *Limiter, f *fakeStore, log *logBuffer) {
				f.set(c.err, c.delay)
				if ok, took := admit(l); !ok || took != c.wait {
					t.Errorf("the first request: %v after %v", ok, took)
				}
				for range 600 { // for a minute
					if ok, took := admit(l); !ok || took != 0 {
						t.Fatalf("%v after %v: without the store, the gateway must count alone and without waiting", ok, took)
					}
					time.Sleep(100 * time.Millisecond)
				}
				for range 20 {
					admit(l)
				}
				if ok, _ := admit(l); ok {
					t.Error("the gateway does not count")
				}
				if n := log.count("store unavailable"); n != 1 || metricValue(t, l.metrics.storeUp) != 0 {
					t.Errorf("logged %d times, want 1", n)
				}
				if metricValue(t, l.metrics.storeFailed) == 0 {
					t.Error("the failures were not counted")
				}
				before := len(f.allRequests())
				f.set(nil, 0)
				time.Sleep(2 * retryPause)
				if ok, _ := admit(l); !ok || len(f.allRequests()) == before || metricValue(t, l.metrics.storeUp) != 1 {
					t.Error("the store is not used again")
				}
				if log.count("store available") != 1 {
					t.Error("the return of the store was not logged")
				}
			})
		})
	}
}

func TestWithoutStore(t *testing.T) {
	none, err := store.New("none", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*store.Store{"nil": nil, "none": none} {
		log := &logBuffer{}
		limits := New(s, &Options{Log: slog.New(slog.NewTextHandler(log, nil))})
		l := limits.Limiter(route(config.Rate{Requests: 1, Per: time.Hour}, 2, "fleet"))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- limits.Run(ctx) }()
		for i := range 4 {
			if ok, _ := l.Admit("caller"); ok != (i < 2) {
				t.Errorf("%s: request %d: %v", name, i, ok)
			}
		}
		cancel()
		if err := <-ended; err != nil || log.Len() > 0 {
			t.Errorf("%s: %v, %s", name, err, log)
		}
	}
}

// Different routes and different limits of a route have different keys. So a changed limit starts with full bursts.
func TestStoreKeys(t *testing.T) {
	limits := New(nil, nil)
	limits.shared = newShared(limits.metrics, nil, longTimeout)
	routes := map[string]func(*config.Route){
		"unchanged":  func(r *config.Route) {},
		"path":       func(r *config.Route) { r.Path = "/login" },
		"host":       func(r *config.Route) { r.Host = "shop.example" },
		"methods":    func(r *config.Route) { r.Methods = []string{"POST"} },
		"headers":    func(r *config.Route) { r.Headers = map[string]string{"X-A": "b"} },
		"other rate": func(r *config.Route) { r.RateLimit.Rate.Per = time.Minute },
		"burst":      func(r *config.Route) { r.RateLimit.Burst = 6 },
		"caller":     func(r *config.Route) { r.RateLimit.Caller = config.Caller{By: "header", Name: "X-Key"} },
	}
	seen := map[string]string{}
	for name, change := range routes {
		r := route(perSecond(5), 5, "fleet")
		change(r)
		prefix := limits.Limiter(r).keyPrefix
		if other, ok := seen[prefix]; ok {
			t.Errorf("%s and %s share %s", name, other, prefix)
		}
		if seen[prefix] = name; prefix != limits.Limiter(r).keyPrefix || !strings.HasPrefix(prefix, "tenfold:rate:") || len(prefix) != 30 {
			t.Errorf("%s: key %q", name, prefix)
		}
	}
}
