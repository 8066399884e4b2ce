package load

import "time"

// alarm wakes the one goroutine that waits for the next arrival. It is for one goroutine at a time.
type alarm interface {
	until(time.Duration) // returns about that much later; the caller looks at the clock and asks again
	close() error
}

// timerAlarm is the runtime's timer. Where nothing else keeps the process awake it is late by up to a millisecond.
type timerAlarm struct{}

func (timerAlarm) until(d time.Duration) { time.Sleep(d) }
func (timerAlarm) close() error          { return nil }
