package breaker

import "time"

// slots is the number of parts of a window.
const slots = 10

// window counts two kinds of events over the last span of time. A zero window with a span is empty.
type window struct {
	span  time.Duration
	slots [slots]slot
}

// slot counts the events of one part of a window.
type slot struct {
	tick int64 // the number of the part, counted from 1970
	a, b int
}

func (w *window) tick(now time.Time) int64 { return now.UnixNano() / max(1, int64(w.span/slots)) }

// add counts events. If they begin a new slot, it returns the old slot whose place the new one takes.
func (w *window) add(now time.Time, a, b int) (old slot) {
	tick := w.tick(now)
	s := &w.slots[tick%slots]
	if s.tick != tick {
		old = *s
		*s = slot{tick: tick}
	}
	s.a += a
	s.b += b
	return old
}

// sum returns the counts of the last span.
func (w *window) sum(now time.Time) (a, b int) {
	tick := w.tick(now)
	for i := range w.slots {
		if s := &w.slots[i]; s.tick > tick-slots && s.tick <= tick {
			a += s.a
			b += s.b
		}
	}
	return a, b
}

func (w *window) reset() { w.slots = [slots]slot{} }
