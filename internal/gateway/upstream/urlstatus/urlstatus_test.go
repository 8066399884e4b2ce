package urlstatus

import (
	"hash/maphash"
	"testing"
	"time"
)

var seed = maphash.MakeSeed()

func hash(url string) uint64 { return maphash.String(seed, url) }

// Each row is a series of requests at the same instant or at the given second, and whether the last status counts.
func TestStatusesCountOnlyWhileTheyAreSpread(t *testing.T) {
	type request struct {
		second int
		url    string
		route  int
		status int
		times  int
	}
	for name, c := range map[string]struct {
		routes   int
		requests []request
		want     bool
	}{
		"one URL":                    {1, []request{{0, "/bad", 0, 502, 1000}}, false},
		"two URLs":                   {1, []request{{0, "/a", 0, 502, 50}, {0, "/b", 0, 502, 50}}, false},
		"three URLs":                 {1, []request{{0, "/a", 0, 502, 1}, {0, "/b", 0, 503, 1}, {0, "/c", 0, 504, 1}}, true},
		"three URLs of one route":    {2, []request{{0, "/a", 0, 502, 9}, {0, "/b", 0, 502, 9}, {0, "/c", 0, 502, 9}}, false},
		"three URLs of two routes":   {2, []request{{0, "/a", 0, 502, 9}, {0, "/b", 0, 502, 9}, {0, "/c", 1, 502, 9}}, true},
		"a good URL before":          {1, []request{{0, "/good", 0, 200, 1}, {9, "/a", 0, 502, 9}, {9, "/b", 0, 502, 9}, {9, "/c", 0, 502, 9}}, false},
		"a good URL among bad ones":  {1, []request{{0, "/a", 0, 502, 9}, {0, "/b", 0, 502, 9}, {0, "/good", 0, 200, 1}, {0, "/c", 0, 502, 9}}, false},
		"a good URL long ago":        {1, []request{{0, "/good", 0, 200, 99}, {11, "/a", 0, 502, 1}, {11, "/b", 0, 502, 1}, {11, "/c", 0, 502, 1}}, true},
		"a URL that fails at times":  {1, []request{{0, "/a", 0, 502, 9}, {0, "/b", 0, 502, 9}, {0, "/c", 0, 502, 1}, {0, "/c", 0, 200, 5}, {0, "/a", 0, 502, 1}}, false},
		"URLs that fail most times":  {1, []request{{0, "/a", 0, 502, 9}, {0, "/a", 0, 200, 5}, {0, "/b", 0, 502, 9}, {0, "/c", 0, 502, 9}}, true},
		"failures long ago":          {1, []request{{0, "/a", 0, 502, 9}, {0, "/b", 0, 502, 9}, {21, "/c", 0, 502, 9}}, false},
		"failures in the other half": {1, []request{{0, "/a", 0, 502, 9}, {3, "/b", 0, 502, 9}, {7, "/c", 0, 502, 9}}, true},
	} {
		s := NewFailures(10*time.Second, 0.5, c.routes, 0)
		last := false
		for _, r := range c.requests {
			x := hash(r.url)
			for range r.times {
				if now := time.Duration(r.second) * time.Second; r.status < 500 {
					s.OK(x, r.route, now)
				} else {
					last = s.Failed(x, r.route, now)
				}
			}
		}
		if last != c.want {
			t.Errorf("%s: counts %v, want %v", name, last, c.want)
		}
	}
}

func TestStatusesRememberALimitedNumberOfURLs(t *testing.T) {
	s := NewFailures(10*time.Second, 0.5, 1, 0)
	for i := range uint64(10 * maxFailing) {
		s.Failed(i+1, 0, s.halfBegan)
	}
	if n := len(s.failing[0]); n != maxFailing {
		t.Errorf("%d URLs are remembered, want %d", n, maxFailing)
	}
}

func TestSuccessesOfOtherNodes(t *testing.T) {
	var a Successes
	if a.ByAnother(7, 1, 0) {
		t.Error("an unknown URL was answered")
	}
	a.Add(7, 1, 10)
	if a.ByAnother(7, 1, 0) {
		t.Error("a node is another node than itself")
	}
	if !a.ByAnother(7, 2, 10) || a.ByAnother(7, 2, 11) {
		t.Error("the time of the success does not decide")
	}
	a.Add(7, 2, 20)
	a.Add(7, 2, 30)
	if !a.ByAnother(7, 2, 10) || !a.ByAnother(7, 1, 30) {
		t.Error("the last two nodes are not remembered")
	}
	if a.ByAnother(7+256, 3, 0) {
		t.Error("another URL in the same slot counts")
	}
	a.Add(7+256, 1, 40)
	if a.ByAnother(7, 3, 0) {
		t.Error("a URL outlives the one that took its slot")
	}
}
