package output

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
)

// batch is a number of whole records that are written together.
type batch struct {
	data     []byte
	records  int64
	notices  int64 // lines of data that are no records
	reported int64 // dropped records that the notices report
}

func (b *batch) size() int { return len(b.data) }

// lost returns how many records were not written when only the first n bytes were. The notices are in front of the
// records.
func (b *batch) lost(n int) int64 {
	lines := int64(bytes.Count(b.data[:n], []byte("\n")))
	return b.records - max(0, lines-b.notices)
}

// busyPause is how long to wait before a writer is tried again that is not ready. A pipe or terminal has this state
// when another program has made it non-blocking.
const busyPause = 10 * time.Millisecond

// run writes the queue whenever it is due, until Close.
func (s *Stream) run() {
	defer close(s.done)
	torn := false // the last write ended inside a record
	for range s.wake {
		for {
			b := s.next()
			if b == nil {
				break
			}
			n, err := s.write(b.data, torn)
			if n > 0 || err == nil {
				torn = err != nil && b.data[n-1] != '\n'
			}
			s.written(b, n, err)
		}
		if s.ended() {
			return
		}
	}
}

// next returns the next batch to write, or nil when none is due.
func (s *Stream) next() *batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.due == 0 {
		return nil
	}
	s.due--
	b := s.queue[0]
	s.queue[0] = nil
	s.queue = s.queue[1:]
	return b
}

// write writes the whole batch. It waits while the writer is not ready. After a torn record it begins a new line. It
// returns how many bytes of data were written.
func (s *Stream) write(data []byte, torn bool) (n int, err error) {
	if torn {
		if _, err := s.w.Write([]byte("\n")); err != nil {
			return 0, err
		}
	}
	for {
		k, err := s.w.Write(data[n:])
		n += min(max(k, 0), len(data)-n)
		switch {
		case n == len(data):
			return n, nil
		case err == nil:
			return n, io.ErrShortWrite
		case !errors.Is(err, syscall.EAGAIN):
			return n, err
		}
		time.Sleep(busyPause)
	}
}

// written counts what was lost of a batch, and makes space in the queue. When the queue is empty and the stream works,
// written queues the notice of what was dropped.
func (s *Stream) written(b *batch, n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size -= b.size()
	s.free()
	switch {
	case err != nil:
		s.drop(b.lost(n))
		s.unreported += b.reported
	case len(s.queue) == 0 && s.unreported > 0:
		s.reportDropped()
		s.wakeUp(len(s.queue))
	}
	if cap(b.data) <= 2*batchSize {
		*b = batch{data: b.data[:0]}
		s.spare = b
	}
}

// ended reports whether the stream is closed and has nothing to write.
func (s *Stream) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed && len(s.queue) == 0
}

// count returns the number of records in words.
func count(n int64) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}
