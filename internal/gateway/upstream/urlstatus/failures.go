// Package urlstatus tells the failure of a service or a node from the failure of one URL, by the statuses of the last
// responses. URLs are hashes, and times are durations since any fixed instant.
package urlstatus

import (
	"sync"
	"time"
)

// Failures decides whether the statuses 502, 503 and 504 of a service count for its circuit breaker. Such a status is
// often the fault of one URL, and an open breaker would close all the others. It counts only while it is spread:
//
//   - at least minFailing URLs have failed in the window, and two routes when the service has several,
//   - each of them failed at the rate of the breaker or more often, and
//   - no other URL was answered well in the window.
//
// It is safe for concurrent use.
type Failures struct {
	window time.Duration
	rate   float64
	routes int // of the service

	mu        sync.Mutex
	failing   [2]map[uint64]*urlCount // URLs that failed, in the current half of the window and in the one before
	halfBegan time.Duration           // when the current half began
	lastGood  time.Duration           // when another URL was answered well the last time
	spread    bool                    // the last failed status was spread
}

// urlCount has the responses of one URL in one half of the window.
type urlCount struct{ route, ok, failed int }

const (
	minFailing = 3
	maxFailing = 256 // URLs that are remembered in each half of the window
)

// NewFailures returns Failures for a service with that number of routes. window and rate are those of its breaker.
func NewFailures(window time.Duration, rate float64, routes int, now time.Duration) *Failures {
	f := &Failures{window: window, rate: rate, routes: routes}
	f.Reset(now)
	return f
}

// Reset forgets everything.
func (f *Failures) Reset(now time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failing = [2]map[uint64]*urlCount{{}, {}}
	f.halfBegan, f.lastGood, f.spread = now, now-f.window-1, false
}

// OK notes a URL that was answered well.
func (f *Failures) OK(url uint64, route int, now time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advance(now)
	if f.failing[0][url] == nil && f.failing[1][url] == nil {
		f.lastGood = now
		return
	}
	f.count(url, route).ok++
}

// Failed notes a URL that was answered with a 502, 503 or 504. It reports whether this counts for the breaker.
func (f *Failures) Failed(url uint64, route int, now time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advance(now)
	if f.failing[0][url] != nil || len(f.failing[0]) < maxFailing {
		f.count(url, route).failed++
	}
	f.spread = now-f.lastGood > f.window && f.failEverywhere()
	return f.spread
}

// WasSpread reports whether the last failed status was spread, so that it may have opened the breaker.
func (f *Failures) WasSpread() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.spread
}

// advance begins a new half of the window when the current one is over. mu is held.
func (f *Failures) advance(now time.Duration) {
	half := f.window / 2
	if now-f.halfBegan < half {
		return
	}
	f.failing[1] = f.failing[0]
	if now-f.halfBegan >= 2*half {
		f.failing[1] = map[uint64]*urlCount{}
	}
	f.failing[0], f.halfBegan = map[uint64]*urlCount{}, now
}

// count returns the count of a URL in the current half of the window. mu is held.
func (f *Failures) count(url uint64, route int) *urlCount {
	c := f.failing[0][url]
	if c == nil {
		c = &urlCount{route: route}
		f.failing[0][url] = c
	}
	return c
}

// failEverywhere reports whether enough URLs and routes fail, and all of them often enough. mu is held.
func (f *Failures) failEverywhere() bool {
	urls, route, otherRoute := 0, -1, false
	for half, counts := range f.failing {
		for url, c := range counts {
			sum := *c
			if other := f.failing[1-half][url]; other != nil {
				if half == 1 {
					continue // the first half had it
				}
				sum.ok, sum.failed = sum.ok+other.ok, sum.failed+other.failed
			}
			if float64(sum.failed) < f.rate*float64(sum.ok+sum.failed) {
				return false
			}
			urls++
			otherRoute = otherRoute || route >= 0 && route != c.route
			route = c.route
		}
	}
	return urls >= minFailing && (f.routes < 2 || otherRoute)
}
