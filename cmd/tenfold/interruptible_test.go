package main

import (
	"io"
	"testing"
	"testing/synctest"
	"time"
)

func TestInterruptEndsABlockedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unread, w := io.Pipe()
		defer unread.Close()
		interrupted := make(chan struct{})
		out := &interruptibleWriter{w, interrupted}
		time.AfterFunc(time.Hour, func() { close(interrupted) })
		begun := time.Now()
		if _, err := io.WriteString(out, "text"); err != errInterrupted {
			t.Errorf("Write returned %v", err)
		}
		if took := time.Since(begun); took != time.Hour+interruptPatience {
			t.Errorf("Write returned after %v, want one second after the interrupt", took)
		}
	})
}

// After an interrupt, a verb still prints its results so far.
func TestInterruptedVerbCanStillWrite(t *testing.T) {
	r, w := io.Pipe()
	interrupted := make(chan struct{})
	close(interrupted)
	go io.WriteString(&interruptibleWriter{w, interrupted}, "text")
	got := make([]byte, 4)
	if _, err := io.ReadFull(r, got); err != nil || string(got) != "text" {
		t.Errorf("got %q, %v", got, err)
	}
}
