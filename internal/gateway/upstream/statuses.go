package upstream

import (
	"sync"
	"time"
)

// statuses decides whether the statuses 502, 503 and 504 of a service count for its circuit breaker. Such a status is
// often the fault of one URL, and an open breaker would close all the others. It counts only while it is spread:
//
//   - at least minFailing URLs have failed in the window, and two routes when the service has several,
//   - each of them failed at the rate of the breaker or more often, and
//   - no other URL was answered well in the window.
type statuses struct {
	window time.Duration
	rate   float64
	routes int // of the service

	mu        sync.Mutex
	failing   [2]map[uint64]*urlCount // URLs that failed, in the current half of the window and in the one before
	halfBegan time.Duration           // when the current half began, since epoch
	lastGood  time.Duration           // when another URL was answered well the last time, since epoch
	spread    bool                    // the last failed status was spread
}

// urlCount has the responses of one URL in one half of the window.
type urlCount struct{ route, ok, failed int }

const (
	minFailing = 3
	maxFailing = 256 // URLs that are remembered in each half of the window
)

func newStatuses(window time.Duration, rate float64, routes int) *statuses {
	s := &statuses{window: window, rate: rate, routes: routes}
	s.reset()
	return s
}

// reset forgets everything.
func (s *statuses) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := sinceEpoch()
	s.failing = [2]map[uint64]*urlCount{{}, {}}
	s.halfBegan, s.lastGood, s.spread = now, now-s.window-1, false
}

// ok notes a URL that was answered well.
func (s *statuses) ok(url uint64, route int, now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance(now)
	if s.failing[0][url] == nil && s.failing[1][url] == nil {
		s.lastGood = now
		return
	}
	s.count(url, route).ok++
}

// failed notes a URL that was answered with a 502, 503 or 504. It reports whether this counts for the breaker.
func (s *statuses) failed(url uint64, route int, now time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance(now)
	if s.failing[0][url] != nil || len(s.failing[0]) < maxFailing {
		s.count(url, route).failed++
	}
	s.spread = now-s.lastGood > s.window && s.failEverywhere()
	return s.spread
}

// wasSpread reports whether the last failed status was spread, so that it may have opened the breaker.
func (s *statuses) wasSpread() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spread
}

// advance begins a new half of the window when the current one is over. mu is held.
func (s *statuses) advance(now time.Duration) {
	half := s.window / 2
	if now-s.halfBegan < half {
		return
	}
	s.failing[1] = s.failing[0]
	if now-s.halfBegan >= 2*half {
		s.failing[1] = map[uint64]*urlCount{}
	}
	s.failing[0], s.halfBegan = map[uint64]*urlCount{}, now
}

// count returns the count of a URL in the current half of the window. mu is held.
func (s *statuses) count(url uint64, route int) *urlCount {
	c := s.failing[0][url]
	if c == nil {
		c = &urlCount{route: route}
		s.failing[0][url] = c
	}
	return c
}

// failEverywhere reports whether enough URLs and routes fail, and all of them often enough. mu is held.
func (s *statuses) failEverywhere() bool {
	urls, route, otherRoute := 0, -1, false
	for half, counts := range s.failing {
		for url, c := range counts {
			sum := *c
			if other := s.failing[1-half][url]; other != nil {
				if half == 1 {
					continue // the first half had it
				}
				sum.ok, sum.failed = sum.ok+other.ok, sum.failed+other.failed
			}
			if float64(sum.failed) < s.rate*float64(sum.ok+sum.failed) {
				return false
			}
			urls++
			otherRoute = otherRoute || route >= 0 && route != c.route
			route = c.route
		}
	}
	return urls >= minFailing && (s.routes < 2 || otherRoute)
}
