package load

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// When a step is not believed.
const (
	followShare = 0.99 // of the plan must be achieved
	busyShare   = 0.80 // of its cores the generator may use
	littleShare = 0.05 // Little's law may be off by
)

// doubt marks the step as valid, or says all that speaks against it.
func (s *Step) doubt(r *run, t *tally) {
	var why []string
	add := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	blame := func(format string, args ...any) { // our own fault: the step says nothing of the target
		add(format, args...)
		s.ours = true
		s.lateOnly = false
	}
	switch {
	case s.Incomplete:
		blame("it was interrupted after %.1f s", s.MeasuredSeconds)
	case s.Requests == 0:
		add("nothing was answered")
	}
	if s.planned > 0 && !s.Incomplete && s.behind() > (1-followShare)*s.planned {
		add("achieved %.0f%% of the offered rate%s", 100*s.finished/s.planned, s.fallBehind())
	}
	if s.CPU > busyShare {
		blame("the generator used %.0f%% of its cores", 100*s.CPU)
	}
	if limit := lagLimit(s.Service.P50); s.LagP99 > limit && r.line != nil {
		only := !s.ours
		blame("the generator was late: 1%% of the requests left more than %.1f ms after their time (limit %.1f ms)", s.LagP99, limit)
		s.lateOnly = only
	}
	if s.Missed > 0 {
		blame("the generator missed %s", visits(s.Missed))
	}
	for _, short := range []string{outOfPorts, outOfDescriptors} {
		if n := s.Faults[short]; n > 0 {
			blame("the generator was %s %d times", short, n)
		}
	}
	if off := little(s, t, r.note.took); off > littleShare && !s.Incomplete {
		add("Little's law is off by %.0f%%: the queue was not the same at the end as at the beginning", 100*off)
	}
	s.Valid = len(why) == 0
	s.InvalidReason = strings.Join(why, "; ")
}

// follow says how long the target took to recover from the step before. What it has not recovered from, it shows now.
func (s *Step) follow(recovery time.Duration, recovered bool) {
	if recovery >= 100*time.Millisecond {
		s.RecoverySeconds = recovery.Seconds()
	}
	if !recovered {
		s.ours, s.lateOnly, s.Valid = true, false, false
		reason := fmt.Sprintf("%v after the step before the target was still slower than usual", recovery.Round(time.Second))
		s.InvalidReason = strings.TrimPrefix(s.InvalidReason+"; "+reason, "; ")
	}
}

// fallBehind says who could not keep up.
func (s *Step) fallBehind() string {
	switch {
	case s.Missed > 0:
		return ""
	case s.Unserved > 0:
		return fmt.Sprintf(": the target did not keep up, and %s found no free connection", visits(s.Unserved))
	}
	return ": the target did not keep up"
}

func visits(n int64) string {
	if n == 1 {
		return "1 visit"
	}
	return number(float64(n)) + " visits"
}

// lagLimit is how late one request in a hundred may be, in milliseconds: 1 ms, or a tenth of what is usual.
func lagLimit(p50 float64) float64 { return max(1, 0.1*p50) }

// little is by what share the visits under way differ from rate times time in the system. What the edges of the window
// explain is not counted.
func little(s *Step, t *tally, took time.Duration) float64 {
	window := took.Seconds()
	if t.finished < 20 || window <= 0 {
		return 0
	}
	n, xr := t.present.Seconds()/window, t.spent.Seconds()/window
	if n == 0 {
		return 0
	}
	each := t.spent.Seconds() / float64(t.finished)
	edges := 3 * each * math.Sqrt(2*max(n, 1)) / window
	return max(0, math.Abs(n-xr)-edges) / max(n, xr)
}
