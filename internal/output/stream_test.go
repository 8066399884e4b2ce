package output

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// sink is a writer that keeps each write apart. It can block, fail, and accept a part of a write.
type sink struct {
	mu      sync.Mutex
	all     []string
	err     error         // what the next writes return
	accepts int           // bytes that a failing write accepts
	blocked chan struct{} // a write waits until it is closed; nil does not block
	busy    int           // writes that return EAGAIN
}

func (w *sink) Write(p []byte) (int, error) {
	w.mu.Lock()
	blocked := w.blocked
	w.mu.Unlock()
	if blocked != nil {
		<-blocked
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.busy > 0:
		w.busy--
		w.all = append(w.all, string(p[:1]))
		return 1, syscall.EAGAIN
	case w.err != nil:
		n := min(w.accepts, len(p))
		if n > 0 {
			w.all = append(w.all, string(p[:n]))
		}
		return n, w.err
	}
	w.all = append(w.all, string(p))
	return len(p), nil
}

func (w *sink) set(change func()) { w.mu.Lock(); defer w.mu.Unlock(); change() }

func (w *sink) writes() []string { w.mu.Lock(); defer w.mu.Unlock(); return w.all }

func (w *sink) text() string { return strings.Join(w.writes(), "") }

func TestBatchedRecordsAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &sink{}
		s := Open("test", w, nil)
		defer s.Close(time.Second)
		for i := range 3 {
			fmt.Fprintf(s.Batched(), "record %d\n", i)
		}
		synctest.Wait()
		if len(w.writes()) != 0 {
			t.Errorf("written before another record could come: %q", w.writes())
		}
		time.Sleep(batchDelay)
		synctest.Wait()
		if len(w.writes()) != 1 || w.text() != "record 0\nrecord 1\nrecord 2\n" {
			t.Errorf("want three records in one write, got %q", w.writes())
		}
	})
}

func TestRecordIsWrittenAtOnceAfterBatchedOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &sink{}
		s := Open("test", w, nil)
		io.WriteString(s.Batched(), "request\n")
		io.WriteString(s, "event\n")
		synctest.Wait()
		if w.text() != "request\nevent\n" {
			t.Errorf("want both in their order, got %q", w.writes())
		}
		io.WriteString(s.Batched(), "last request\n")
		if !s.Close(time.Second) || !strings.HasSuffix(w.text(), "last request\n") {
			t.Errorf("Close did not write the last record: %q", w.writes())
		}
		time.Sleep(time.Second) // for the timer of the batch
	})
}

// A burst must not wait in memory until the delay is over, and no record may come in two parts.
func TestBurstIsWrittenInWholeRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &sink{}
		s := Open("test", w, nil)
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				for j := range 1000 {
					fmt.Fprintf(s.Batched(), "{record %d %d %s}\n", i, j, strings.Repeat("x", 50))
				}
			})
		}
		all.Wait()
		synctest.Wait()
		if len(w.writes()) < 10 {
			t.Errorf("10,000 records in %d writes before the delay is over", len(w.writes()))
		}
		s.Close(time.Second)
		for _, part := range w.writes() {
			if len(part) > batchSize || !strings.HasPrefix(part, "{") || !strings.HasSuffix(part, "}\n") {
				t.Errorf("a write of %d bytes: %.40q ... %q", len(part), part, part[max(0, len(part)-40):])
			}
		}
		if n := strings.Count(w.text(), "\n"); n != 10000 || s.Dropped() != 0 {
			t.Errorf("%d records of 10,000, %d dropped", n, s.Dropped())
		}
		time.Sleep(time.Second)
	})
}

func TestBlockedReaderBlocksNoCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &sink{blocked: make(chan struct{})}
		s := Open("test", w, &Options{Limit: 10_000})
		begun := time.Now()
		const sent = 5000
		for i := range sent {
			to := io.Writer(s)
			if i%2 == 0 {
				to = s.Batched()
			}
			fmt.Fprintf(to, "record %4d\n", i)
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("%d records took %v", sent, took)
		}
		dropped := s.Dropped()
		if want := int64(sent - 10_000/12); dropped < want {
			t.Errorf("%d records dropped, want at least %d", dropped, want)
		}
		close(w.blocked)
		synctest.Wait()
		io.WriteString(s, "after\n")
		s.Close(time.Second)
		kept := int64(strings.Count(w.text(), "record "))
		notice := fmt.Sprintf("tenfold: %d records dropped\n", dropped)
		if kept+dropped != sent || strings.Count(w.text(), notice) != 1 || !strings.HasSuffix(w.text(), notice+"after\n") {
			t.Errorf("%d kept and %d dropped of %d; the end is %q", kept, dropped, sent, w.text()[len(w.text())-100:])
		}
	})
}

// The notice stands where the records are missing.
func TestNoticeKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &sink{}
		s := Open("test", w, &Options{Limit: 20, Notice: func(n int64) []byte { return fmt.Appendf(nil, "[%d]", n) }})
		io.WriteString(s.Batched(), "0123456789")
		io.WriteString(s.Batched(), "0123456789")
		io.WriteString(s.Batched(), "too much")
		io.WriteString(s, "too much")
		time.Sleep(batchDelay)
		synctest.Wait()
		io.WriteString(s, "next")
		s.Close(time.Second)
		if w.text() != "01234567890123456789[2]next" || s.Dropped() != 2 {
			t.Errorf("got %q, %d dropped", w.text(), s.Dropped())
		}
		time.Sleep(time.Second)
	})
}

func TestCloseDoesNotWaitForABlockedReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &sink{blocked: make(chan struct{})}
		s := Open("test", w, nil)
		io.WriteString(s, "record\n")
		begun := time.Now()
		if s.Close(time.Second) {
			t.Error("Close reports that it wrote to a blocked reader")
		}
		if took := time.Since(begun); took != time.Second {
			t.Errorf("Close took %v, want 1s", took)
		}
		io.WriteString(s, "after the end\n")
		if s.Dropped() != 1 {
			t.Errorf("%d records dropped, want the one after Close", s.Dropped())
		}
		close(w.blocked)
	})
}

func TestStreamContinuesAfterAnError(t *testing.T) {
	for _, err := range []error{syscall.ENOSPC, syscall.EPIPE, errors.New("unknown")} {
		synctest.Test(t, func(t *testing.T) {
			w := &sink{err: err}
			s := Open("test", w, nil)
			for range 3 {
				io.WriteString(s, "lost\n")
				synctest.Wait()
			}
			if s.Dropped() != 3 {
				t.Errorf("%v: %d records dropped, want 3", err, s.Dropped())
			}
			w.set(func() { w.err = nil })
			io.WriteString(s, "kept\n")
			s.Close(time.Second)
			if want := "tenfold: 3 records dropped\nkept\n"; w.text() != want || s.Dropped() != 3 {
				t.Errorf("%v: got %q, want %q; %d dropped", err, w.text(), want, s.Dropped())
			}
		})
	}
}

// A full disk often accepts a part of a record. The rest of it is lost, and the next record begins on its own line.
func TestTornRecordEndsItsLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &sink{err: syscall.ENOSPC, accepts: 11}
		s := Open("test", w, nil)
		for i := range 3 {
			fmt.Fprintf(s.Batched(), "record%d\n", i)
		}
		time.Sleep(batchDelay)
		synctest.Wait()
		w.set(func() { w.err = nil })
		io.WriteString(s, "kept\n")
		s.Close(time.Second)
		if want := "record0\nrec\ntenfold: 2 records dropped\nkept\n"; w.text() != want {
			t.Errorf("got %q, want %q", w.text(), want)
		}
	})
}

// Another program that has the same terminal or pipe can make it non-blocking. Nothing is lost then.
func TestStreamThatIsNotReadyIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &sink{busy: 3}
		s := Open("test", w, nil)
		io.WriteString(s, "a record\n")
		s.Close(time.Second)
		if w.text() != "a record\n" || s.Dropped() != 0 {
			t.Errorf("got %q, %d dropped", w.writes(), s.Dropped())
		}
	})
}

func TestPatientWriterLosesNothingWithASlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		s := Open("test", w, &Options{Limit: 100_000})
		var got strings.Builder
		read := make(chan struct{})
		go func() {
			defer close(read)
			for p := make([]byte, batchSize); ; time.Sleep(50 * time.Millisecond) {
				n, err := r.Read(p)
				got.Write(p[:n])
				if err != nil {
					return
				}
			}
		}()
		const sent = 50_000
		for i := range sent {
			fmt.Fprintf(s.Patient(100*time.Millisecond), "line %6d\n", i)
		}
		if !s.Close(10 * time.Second) {
			t.Error("Close did not write everything")
		}
		w.Close()
		<-read
		if n := strings.Count(got.String(), "\n"); n != sent || s.Dropped() != 0 {
			t.Errorf("%d lines of %d, %d dropped", n, sent, s.Dropped())
		}
	})
}

func TestPatientWriterWaitsOnceForABlockedReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &sink{blocked: make(chan struct{})}
		s := Open("test", w, &Options{Limit: 1000})
		begun := time.Now()
		for range 10_000 {
			io.WriteString(s.Patient(100*time.Millisecond), "line\n")
		}
		if took := time.Since(begun); took != 100*time.Millisecond {
			t.Errorf("the caller was blocked for %v, want 100ms", took)
		}
		close(w.blocked)
		s.Close(time.Second)
		if want := fmt.Sprintf("tenfold: %d records dropped\n", s.Dropped()); !strings.HasSuffix(w.text(), want) {
			t.Errorf("the output does not end with %q", want)
		}
	})
}

// Close wakes a caller that waits for space.
func TestCloseEndsTheWaitOfAPatientWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &sink{blocked: make(chan struct{})}
		s := Open("test", w, &Options{Limit: 10})
		io.WriteString(s, "0123456789")
		returned := make(chan struct{})
		go func() {
			io.WriteString(s.Patient(time.Hour), "more")
			close(returned)
		}()
		synctest.Wait()
		s.Close(time.Second)
		<-returned
		close(w.blocked)
	})
}

func BenchmarkBatched(b *testing.B) {
	s := Open("test", io.Discard, nil)
	defer s.Close(time.Second)
	record := []byte(strings.Repeat("x", 300) + "\n")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		to := s.Batched()
		for pb.Next() {
			to.Write(record)
		}
	})
}
