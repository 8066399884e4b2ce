package recording

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Shares of the visitors of a journey.
const (
	maxPatterns = 40 // visits of several steps
	minPattern  = 2  // visits that must follow a pattern
)

// journey makes the visitors.
func (l *accessLog) journey() (*Journey, error) {
	for _, why := range sortedKeys(l.skipped) {
		l.note("left out: %d %s", l.skipped[why], why)
	}
	if l.requests == 0 {
		return nil, errors.New("the log has no request that a journey can repeat: GET or HEAD with a status below 400")
	}
	var patterns []*pattern
	for _, key := range sortedKeys(l.visits) {
		patterns = append(patterns, l.visits[key])
	}
	slices.SortStableFunc(patterns, func(a, b *pattern) int { return cmp.Compare(b.count*len(b.paths), a.count*len(a.paths)) })
	single := map[int32]int{} // requests that are not part of a visit with several steps
	covered := 0
	for _, p := range patterns {
		if len(p.paths) > 1 && p.count >= minPattern && len(l.j.Visitors) < maxPatterns {
			covered += p.count * len(p.paths)
			l.j.Visitors = append(l.j.Visitors, l.visitor(p))
			continue
		}
		for _, path := range p.paths {
			single[path] += p.count
		}
	}
	byCount := sortedKeys(single)
	slices.SortStableFunc(byCount, func(a, b int32) int { return cmp.Compare(single[b], single[a]) })
	for _, path := range byCount[:min(len(byCount), maxVisitors-len(l.j.Visitors))] {
		covered += single[path]
		l.j.Visitors = append(l.j.Visitors, Visitor{
			Name: "only " + shortened(l.names[path]), Weight: weight(single[path]),
			Steps: []Step{{Method: http.MethodGet, Path: l.names[path]}},
		})
	}
	l.note("the visitors have %.1f%% of the %d requests that are kept; a weight is a number of visits in the log",
		100*float64(covered)/float64(l.requests), l.requests)
	return l.j, nil
}

func weight(n int) float64 { return float64(min(n, 1_000_000)) }

func (l *accessLog) visitor(p *pattern) Visitor {
	v := Visitor{Name: fmt.Sprintf("visit %d, from %s", len(l.j.Visitors)+1, shortened(l.names[p.paths[0]])), Weight: weight(p.count)}
	for i, path := range p.paths {
		s := Step{Method: http.MethodGet, Path: l.names[path]}
		if i < len(p.pauses) {
			s.Think = thinkTime(p.pauses[i] / time.Duration(p.count))
		}
		v.Steps = append(v.Steps, s)
	}
	return v
}

func shortened(path string) string {
	path, _, _ = strings.Cut(path, "?")
	if r := []rune(path); len(r) > 60 {
		return string(r[:60]) + "..."
	}
	return path
}
