package platform

import (
	"testing"
	"time"
)

// Both timers wait at least as long as a caller needs that checks the clock and waits again.
func TestTimersReachTheirTime(t *testing.T) {
	precise, err := NewTimer()
	if err != nil {
		t.Fatal(err)
	}
	defer precise.Close()
	for name, timer := range map[string]Timer{"precise": precise, "sleep": SleepTimer{}} {
		const d = 5 * time.Millisecond
		begin := time.Now()
		calls := 0
		for ; time.Since(begin) < d; calls++ {
			timer.Wait(d - time.Since(begin))
		}
		if calls > 1000 {
			t.Errorf("%s: %d calls of Wait for %v: the timer does not wait", name, calls, d)
		}
	}
}

func TestProcessFigures(t *testing.T) {
	if n := OpenFiles(); n < 16 || n > maxOpenFiles {
		t.Errorf("%d open files", n)
	}
	before := CPUTime()
	for begin := time.Now(); time.Since(begin) < 20*time.Millisecond; {
	}
	if used := CPUTime() - before; used < 0 || used > time.Minute {
		t.Errorf("used %v of CPU time", used)
	}
}
