// Package output writes records to a stream that may block, be closed or be full. Its callers never wait for the
// reader of the stream.
//
// A [Stream] is a bounded queue with one goroutine that writes. A record that does not fit into the queue, or that
// cannot be written, is dropped and counted. When the stream can be written again, one record says how many were
// dropped.
package output

import (
	"cmp"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Options tune a Stream. Zero fields mean their defaults.
type Options struct {
	Limit int // bytes that may wait; default 1 MiB
	// Notice returns the record that says that n records were dropped; default: a line of text.
	Notice func(n int64) []byte
}

const (
	// batchDelay is how long a batched record may wait for others. A system call per record would cost a tenth of what a
	// request costs.
	batchDelay   = 100 * time.Millisecond
	batchSize    = 32 << 10 // bytes of waiting records that are written before batchDelay is over
	defaultLimit = 1 << 20
)

// Stream writes records to a writer, each one whole and in their order. Its methods are safe for concurrent use.
// Close must be called at the end.
type Stream struct {
	name    string
	w       io.Writer
	limit   int
	notice  func(n int64) []byte
	dropped atomic.Int64 // since Open

	wake chan struct{} // holds a value when the goroutine that writes must look at due
	done chan struct{} // closed when that goroutine has ended

	mu         sync.Mutex
	queue      []*batch
	size       int           // bytes in the queue and in the batch that is being written
	due        int           // batches that must be written now
	timed      bool          // a timer will make the rest of the queue due
	spare      *batch        // to be used again; nil while there is no such batch
	unreported int64         // dropped records that no notice has reported yet
	freed      chan struct{} // closed and replaced when the queue has more space; nil when no caller waits for it
	closed     bool
}

// Open returns a Stream that writes to w. It starts the goroutine that writes, which ends after Close.
func Open(name string, w io.Writer, o *Options) *Stream {
	if o == nil {
		o = &Options{}
	}
	s := &Stream{
		name: name, w: w, limit: cmp.Or(o.Limit, defaultLimit), notice: o.Notice,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if s.notice == nil {
		s.notice = textNotice
	}
	go s.run()
	return s
}

// Name returns the name that Open was given.
func (s *Stream) Name() string { return s.name }

// Dropped returns the number of records that were dropped since Open.
func (s *Stream) Dropped() int64 { return s.dropped.Load() }

// Write queues a record that is written as soon as the stream accepts it. It never blocks and never fails: a record
// that does not fit into the queue is dropped and counted.
func (s *Stream) Write(record []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.enqueue(record) {
		s.wakeUp(len(s.queue))
	} else {
		s.drop(1)
	}
	return len(record), nil
}

// Batched returns a writer that is like s, but whose records are written together, up to 100 ms later.
func (s *Stream) Batched() io.Writer { return batched{s} }

type batched struct{ *Stream }

func (s batched) Write(record []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.enqueue(record) {
		s.drop(1)
		return len(record), nil
	}
	if full := len(s.queue) - 1; full > s.due {
		s.wakeUp(full)
	}
	if s.due < len(s.queue) && !s.timed {
		s.timed = true
		time.AfterFunc(batchDelay, s.batchIsDue)
	}
	return len(record), nil
}

func (s *Stream) batchIsDue() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timed = false
	s.wakeUp(len(s.queue))
}

// Patient returns a writer that is like s, but that waits up to patience for space in a full queue. After a record
// was dropped, it waits only when a later record was accepted. So a blocked reader delays a caller once. It is for
// callers that serve no requests.
func (s *Stream) Patient(patience time.Duration) io.Writer { return patient{s, patience} }

type patient struct {
	*Stream
	patience time.Duration
}

func (p patient) Write(record []byte) (int, error) {
	if !p.queueOrWait(record, p.patience) {
		p.drop(1)
	}
	p.wakeUp(len(p.queue))
	p.mu.Unlock()
	return len(record), nil
}

// queueOrWait queues a record and reports whether it was accepted. It returns with the lock held.
func (s *Stream) queueOrWait(record []byte, patience time.Duration) bool {
	var over <-chan time.Time
	for {
		s.mu.Lock()
		if s.enqueue(record) {
			return true
		}
		if s.closed || s.unreported > 0 || len(record) > s.limit {
			return false
		}
		if s.freed == nil {
			s.freed = make(chan struct{})
		}
		freed := s.freed
		if over == nil {
			over = time.After(patience)
		}
		s.mu.Unlock()
		select {
		case <-freed:
		case <-over:
			s.mu.Lock()
			return s.enqueue(record)
		}
	}
}

// Close writes the records that wait, and returns after all of them were written or after timeout. Later records are
// dropped. It returns false when records were not written in time.
func (s *Stream) Close(timeout time.Duration) bool {
	s.mu.Lock()
	s.closed = true
	s.wakeUp(len(s.queue))
	s.free()
	s.mu.Unlock()
	select {
	case <-s.done:
		return true
	case <-time.After(timeout):
		return false
	}
}

// enqueue adds a record to the last batch, after the notice of records that were dropped before it. It reports false
// when the record does not fit. The lock is held.
func (s *Stream) enqueue(record []byte) bool {
	if s.closed || s.size+len(record) > s.limit {
		return false
	}
	if s.unreported > 0 {
		s.reportDropped()
	}
	b := s.lastBatch(len(record))
	b.data = append(b.data, record...)
	b.records++
	s.size += len(record)
	return true
}

// reportDropped queues the notice of the dropped records. The lock is held.
func (s *Stream) reportDropped() {
	notice := s.notice(s.unreported)
	b := s.lastBatch(len(notice))
	b.data = append(b.data, notice...)
	b.reported += s.unreported
	b.notices++
	s.size += len(notice)
	s.unreported = 0
}

// lastBatch returns the batch that takes the next n bytes. The lock is held.
func (s *Stream) lastBatch(n int) *batch {
	if len(s.queue) == 0 || s.queue[len(s.queue)-1].size()+n > batchSize {
		b := s.spare
		if b == nil {
			b = &batch{}
		}
		s.queue, s.spare = append(s.queue, b), nil
	}
	return s.queue[len(s.queue)-1]
}

// drop counts n records that are lost. The lock is held.
func (s *Stream) drop(n int64) {
	s.dropped.Add(n)
	s.unreported += n
}

// wakeUp makes the other goroutine write the first n batches. The lock is held.
func (s *Stream) wakeUp(n int) {
	s.due = n
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// free tells those who wait that the queue has more space. The lock is held.
func (s *Stream) free() {
	if s.freed != nil {
		close(s.freed)
		s.freed = nil
	}
}

func textNotice(n int64) []byte { return []byte("tenfold: " + count(n) + " dropped\n") }
