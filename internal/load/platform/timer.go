// Package platform contains what differs between operating systems: a precise timer, and the CPU time and the limit of
// open files of this process.
package platform

import "time"

// Timer waits for short times. It is for one goroutine at a time.
type Timer interface {
	// Wait returns after about d. It may return earlier or later; the caller checks the clock and calls it again.
	Wait(d time.Duration)
	Close() error
}

// SleepTimer is the timer of the Go runtime. It can be late by a millisecond if the process has nothing else to do.
type SleepTimer struct{}

// Wait sleeps for d.
func (SleepTimer) Wait(d time.Duration) { time.Sleep(d) }

// Close does nothing.
func (SleepTimer) Close() error { return nil }

// maxOpenFiles is reported where the limit is higher or not known.
const maxOpenFiles = 1 << 20
