package policy

import (
	"net/http"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// Stalled resets a stream whose client takes nothing of its answer for WriteTimeout. Over HTTP/1 the connection sees to
// that; in HTTP/2 a client can stall one stream, by giving it no window, while the connection is alive.
func Stalled(limits config.Limits) Policy {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ProtoMajor != 2 || limits.WriteTimeout <= 0 {
				next.ServeHTTP(w, r)
				return
			}
			s := &stallWriter{ResponseWriter: w, conn: http.NewResponseController(w), timeout: limits.WriteTimeout}
			defer s.handlerDone()
			next.ServeHTTP(s, r)
		})
	}
}

// stallWriter watches each write. It does so by a timer of its own, because a deadline of net/http's would cost two
// messages to the connection's goroutine per write.
type stallWriter struct {
	http.ResponseWriter
	conn    *http.ResponseController
	timeout time.Duration
	timer   *time.Timer

	mu    sync.Mutex
	begun time.Time // of the write under way; zero: none. Under mu, for the stream must not be touched after its handler
}

func (s *stallWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *stallWriter) Write(p []byte) (int, error) {
	s.begin()
	defer s.end()
	return s.ResponseWriter.Write(p)
}

// FlushError is what http.ResponseController calls.
func (s *stallWriter) FlushError() error {
	s.begin()
	defer s.end()
	return s.conn.Flush()
}

func (s *stallWriter) begin() {
	s.mu.Lock()
	s.begun = time.Now()
	s.mu.Unlock()
	if s.timer == nil {
		s.timer = time.AfterFunc(s.timeout, s.stalled)
	} else {
		s.timer.Reset(s.timeout)
	}
}

func (s *stallWriter) end() {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Lock()
	s.begun = time.Time{}
	s.mu.Unlock()
}

// handlerDone leaves the last write, which net/http makes when the handler has returned, to a deadline of its own.
func (s *stallWriter) handlerDone() {
	s.end()
	s.conn.SetWriteDeadline(time.Now().Add(s.timeout))
}

func (s *stallWriter) stalled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun.IsZero() && time.Since(s.begun) >= s.timeout {
		s.conn.SetWriteDeadline(past)
	}
}
