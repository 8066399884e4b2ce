package breaker

import "time"

// window counts two kinds of events over the last span of time, in ten slots. The zero value with a span is empty.
type window struct {
	span  time.Duration
	slots [10]slot
}

type slot struct {
	tick int64 // which tenth of a span, counted from the epoch, the counts belong to
	a, b int
}

func (w *window) tick(now time.Time) int64 { return now.UnixNano() / int64(w.span/10) }

// add counts events. When they begin a new slot, it returns the one that leaves the window for it.
func (w *window) add(now time.Time, a, b int) (left slot) {
	tick := w.tick(now)
	s := &w.slots[tick%10]
	if s.tick != tick {
		left = *s
		*s = slot{tick: tick}
	}
	s.a += a
	s.b += b
	return left
}

func (w *window) sum(now time.Time) (a, b int) {
	tick := w.tick(now)
	for i := range w.slots {
		if s := &w.slots[i]; s.tick > tick-10 && s.tick <= tick {
			a += s.a
			b += s.b
		}
	}
	return a, b
}

func (w *window) reset() { w.slots = [10]slot{} }
