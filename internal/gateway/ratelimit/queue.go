package ratelimit

import "time"

// queue holds the requests of one caller that wait for the store. One of them asks the store for all.
type queue struct {
	waiting int           // number of requests
	granted int           // tokens for waiting requests only
	pending chan struct{} // closed when the store has answered; nil if no request asks
}

// decideWithStore decides a request with tokens from the store. A request that arrives while another one asks is part
// of the next question. A request that has waited for the store's timeout is decided without the store.
func (l *Limiter) decideWithStore(s *shard, key uint64, caller string, arrived int64) (decision, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.enterQueue(key)
	defer s.leaveQueue(key)
	for {
		now := l.now()
		granted := q.granted > 0
		timedOut := now-arrived > int64(l.shared.timeout)
		b := l.table.bucket(s, key, now)
		d, wait := b.decide(now, l.limit, granted || timedOut || l.countsAlone())
		switch {
		case d == admitted && granted:
			q.granted--
			return d, 0
		case d != undecided:
			return d, wait
		case q.pending == nil:
			l.requestTokens(s, q, key, caller, b.request(now, q.waiting, l.maxLease))
		default:
			pending := q.pending
			s.mu.Unlock()
			<-pending
			s.mu.Lock()
		}
	}
}

// requestTokens asks the store. The lock of the shard is held before and after the call, and released during it.
func (l *Limiter) requestTokens(s *shard, q *queue, key uint64, caller string, r tokenRequest) {
	pending := make(chan struct{})
	q.pending = pending
	s.mu.Unlock()
	g, err := l.shared.request(l.keyPrefix+caller, l.limit, r)
	s.mu.Lock()
	q.pending = nil
	close(pending)
	if err != nil {
		return // the store is now unavailable, and the waiting requests are decided without it
	}
	now := l.now()
	l.table.bucket(s, key, now).accept(now, r, g)
	q.granted = g.needed
}

func (s *shard) enterQueue(key uint64) *queue {
	q := s.queues[key]
	if q == nil {
		if s.queues == nil {
			s.queues = make(map[uint64]*queue)
		}
		q = &queue{}
		s.queues[key] = q
	}
	q.waiting++
	return q
}

func (s *shard) leaveQueue(key uint64) {
	q := s.queues[key]
	if q.waiting--; q.waiting == 0 {
		delete(s.queues, key)
	}
}
