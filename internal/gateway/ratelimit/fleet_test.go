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

// fake is a store that a test owns: it gives all that is asked for, after a time.
type fake struct {
	mu    sync.Mutex
	err   error
	takes time.Duration
	most  int // tokens per question; 0: all
	keys  []string
	asked []question
}

func (f *fake) ask(ctx context.Context, key string, _ limit, q question) (answer, error) {
	f.mu.Lock()
	err, takes, need, extra := f.err, f.takes, q.need, q.extra
	if key != "tenfold:rate:try" {
		f.keys, f.asked = append(f.keys, key), append(f.asked, q)
	}
	if f.most > 0 {
		need, extra = min(need, f.most), 0
	}
	f.mu.Unlock()
	select {
	case <-time.After(takes):
		return answer{need: need, extra: extra}, err
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
}

func (f *fake) set(err error, takes time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.takes = err, takes
}

func (f *fake) questions() []question {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]question(nil), f.asked...)
}

// inFleet runs a test in a bubble with a running fleet of one gateway, on a fake store.
func inFleet(t *testing.T, limits *config.Route, test func(t *testing.T, l *Limiter, f *fake, log *lines)) {
	synctest.Test(t, func(t *testing.T) {
		f, log := &fake{}, &lines{}
		all := New(nil, nil)
		all.fleet = newFleet(all.metrics, slog.New(slog.NewTextHandler(log, nil)), 50*time.Millisecond)
		all.fleet.connect = func() (asker, error) { return f, nil }
		l := all.Limiter(limits)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { all.Run(ctx); close(ended) }()
		synctest.Wait()
		test(t, l, f, log)
		cancel()
		<-ended
		if ok, _ := l.Admit("after the end"); !ok {
			t.Error("after the end of Run a gateway does not count alone")
		}
	})
}

type lines struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.Buffer.String(), text)
}

// admit is one request and how long it took.
func admit(l *Limiter) (ok bool, took time.Duration) {
	begun := time.Now()
	ok, _ = l.Admit("caller")
	return ok, time.Since(begun)
}

func TestRequestsOfOneCallerAskTogether(t *testing.T) {
	inFleet(t, route(perSecond(1000), 1000, "fleet"), func(t *testing.T, l *Limiter, f *fake, _ *lines) {
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
		if asked := f.questions(); ok.Load() != 100 || len(asked) > 3 {
			t.Errorf("%d of 100 were admitted in time, by %+v", ok.Load(), asked)
		}
	})
}

// A store that gives one token at a time does not keep a request waiting for ever: then it is decided without.
func TestWaitingEnds(t *testing.T) {
	inFleet(t, route(perSecond(1000), 1000, "fleet"), func(t *testing.T, l *Limiter, f *fake, _ *lines) {
		f.takes, f.most = 20*time.Millisecond, 1
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if ok, took := admit(l); !ok || took > 100*time.Millisecond {
					t.Errorf("%v after %v", ok, took)
				}
			})
		}
		all.Wait()
		if !l.fleet.up() {
			t.Error("the store is taken for away")
		}
	})
}

// A refused caller costs no round trips.
func TestRefusalsAreLocal(t *testing.T) {
	inFleet(t, route(config.Rate{Requests: 1, Per: time.Hour}, 3, "fleet"), func(t *testing.T, l *Limiter, f *fake, _ *lines) {
		for i := range 100 {
			if ok, _ := admit(l); ok != (i < 3) {
				t.Errorf("request %d: %v", i, ok)
			}
		}
		if n := len(f.questions()); n > 3 {
			t.Errorf("%d questions", n)
		}
	})
}

func TestStoreThatIsAway(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		takes time.Duration
		wait  time.Duration // of the request that finds out
	}{
		"refuses": {errors.New("connection refused"), 0, 0},
		"hangs":   {nil, time.Hour, 50 * time.Millisecond},
		"is slow": {nil, 60 * time.Millisecond, 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			inFleet(t, route(perSecond(10), 10, "fleet"), func(t *testing.T, l *Limiter, f *fake, log *lines) {
				f.set(c.err, c.takes)
				if ok, took := admit(l); !ok || took != c.wait {
					t.Errorf("the first request: %v after %v", ok, took)
				}
				for range 600 { // for a minute
					if ok, took := admit(l); !ok || took != 0 {
						t.Fatalf("%v after %v: without the store the gateway counts alone, and nobody waits", ok, took)
					}
					time.Sleep(100 * time.Millisecond)
				}
				for range 20 {
					admit(l)
				}
				if ok, _ := admit(l); ok {
					t.Error("the gateway does not count at all")
				}
				if n := log.count("the store is away"); n != 1 || counted(t, l.metrics.up) != 0 {
					t.Errorf("said %d times", n)
				}
				if counted(t, l.metrics.failed) == 0 {
					t.Error("nothing counts the failures")
				}
				asked := len(f.questions())
				f.set(nil, 0)
				time.Sleep(2 * pause)
				if ok, _ := admit(l); !ok || len(f.questions()) == asked || counted(t, l.metrics.up) != 1 {
					t.Error("it does not come back")
				}
				if log.count("counted for the fleet again") != 1 {
					t.Error("nobody said that it is back")
				}
			})
		})
	}
}

func TestWithoutAStore(t *testing.T) {
	none, err := store.New("none", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*store.Store{"nil": nil, "none": none} {
		log := &lines{}
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

// Two routes never share a key, nor do two limits of one route: a new limit begins anew. No key tells a secret.
func TestKeysOfTheStore(t *testing.T) {
	limits := New(nil, nil)
	limits.fleet = newFleet(limits.metrics, nil, patient)
	routes := map[string]func(*config.Route){
		"as it is":   func(r *config.Route) {},
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
		prefix := limits.Limiter(r).prefix
		if other, ok := seen[prefix]; ok {
			t.Errorf("%s and %s share %s", name, other, prefix)
		}
		if seen[prefix] = name; prefix != limits.Limiter(r).prefix || !strings.HasPrefix(prefix, "tenfold:rate:") || len(prefix) != 30 {
			t.Errorf("%s: key %q", name, prefix)
		}
	}
}
