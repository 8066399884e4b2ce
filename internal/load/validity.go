package load

import (
	"fmt"
	"math"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/report"
)

// Limits of a valid step.
const (
	minAchieved     = 0.99 // share of the scheduled visits that must end
	maxGeneratorCPU = 0.80 // share of the cores that the generator may use
	maxLittleError  = 0.05 // by which Little's law may be off
)

// doubt is a reason why a step is invalid.
type doubt struct {
	text string
	own  bool // the generator is the cause: the step says nothing about the target
}

// checkValidity collects all reasons to doubt the step except the lateness of the generator, which judgeLag adds: it
// depends on the objective.
func (s *Step) checkValidity(t *tally, took time.Duration) {
	add := func(format string, args ...any) {
		s.doubts = append(s.doubts, doubt{text: fmt.Sprintf(format, args...)})
	}
	addOwn := func(format string, args ...any) {
		s.doubts = append(s.doubts, doubt{fmt.Sprintf(format, args...), true})
	}
	switch {
	case s.Incomplete:
		addOwn("interrupted after %.1f s", s.MeasuredSeconds)
	case s.Requests == 0:
		add("no request was answered")
	}
	if s.planned > 0 && !s.Incomplete && s.behind() > (1-minAchieved)*s.planned {
		add("achieved %.0f%% of the offered rate%s", 100*s.finished/s.planned, s.behindReason())
	}
	if s.GeneratorCPU > maxGeneratorCPU {
		addOwn("the generator used %.0f%% of its cores", 100*s.GeneratorCPU)
	}
	if s.Missed > 0 {
		addOwn("the generator was too late for %s", visits(s.Missed))
	}
	for _, kind := range []curve.ErrorKind{outOfPorts, outOfFiles} {
		if n := s.ErrorKinds[kind]; n > 0 {
			addOwn("the generator was %s %d times", kind, n)
		}
	}
	if off := littleError(t, took); off > maxLittleError && !s.Incomplete {
		add("Little's law is off by %.0f%%: the number of visits in progress changed during the step", 100*off)
	}
}

// behindReason says why fewer visits ended than were offered.
func (s *Step) behindReason() string {
	switch {
	case s.Missed > 0: // has its own reason
		return ""
	case s.Unserved > 0:
		return fmt.Sprintf(": the target did not keep up, and %s found no free connection", visits(s.Unserved))
	}
	return ": the target did not keep up"
}

func visits(n int64) string { return report.Count(int(n), "visit") }

// littleError returns by what share the mean number of visits in progress differs from their rate times their time. It
// leaves out the difference that the visits at the edges of the window explain.
func littleError(t *tally, took time.Duration) float64 {
	window := took.Seconds()
	if t.finished < 20 || window <= 0 {
		return 0
	}
	n, expected := t.present.Seconds()/window, t.spent.Seconds()/window
	if n == 0 {
		return 0
	}
	each := t.spent.Seconds() / float64(t.finished)
	edges := 3 * each * math.Sqrt(2*max(n, 1)) / window
	return max(0, math.Abs(n-expected)-edges) / max(n, expected)
}

// addRecovery records how long the target took to recover before the step. If the target has not recovered, that is a doubt,
// because the latencies of the step are partly those of the previous step.
func (s *Step) addRecovery(waited time.Duration, recovered bool) {
	if waited >= 100*time.Millisecond {
		s.RecoverySeconds = waited.Seconds()
	}
	if !recovered {
		s.doubts = append(s.doubts, doubt{fmt.Sprintf("the target was still slower than usual %v after the previous step",
			waited.Round(time.Second)), true})
	}
}
