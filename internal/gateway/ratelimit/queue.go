package ratelimit

import "time"

// queue is the requests of one caller that wait for the store. One of them asks, for all.
type queue struct {
	waiting int           // requests
	granted int           // tokens for those that wait, not for others
	asking  chan struct{} // closed when the answer is there; nil while nobody asks
}

// consult decides a request about which only the store can tell. A request that came while another was asking is in the
// next question. Should it still have nothing after the fleet's patience, it is decided without the store.
func (l *Limiter) consult(s *shard, key uint64, caller string, begun int64) (verdict, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.join(key)
	defer s.leave(key)
	for {
		now := l.now()
		served := q.granted > 0
		late := now-begun > int64(l.fleet.patience)
		a := l.table.account(s, key, now)
		v, wait := a.decide(now, l.limit, served || late || l.alone())
		switch {
		case v == admitted && served:
			q.granted--
			return v, 0
		case v != unknown:
			return v, wait
		case q.asking == nil:
			l.ask(s, q, key, caller, a.ask(now, q.waiting, l.largest))
		default:
			asking := q.asking
			s.mu.Unlock()
			<-asking
			s.mu.Lock()
		}
	}
}

// ask is called with the lock held, and releases it meanwhile.
func (l *Limiter) ask(s *shard, q *queue, key uint64, caller string, what question) {
	asking := make(chan struct{})
	q.asking = asking
	s.mu.Unlock()
	got, err := l.fleet.ask(l.prefix+caller, l.limit, what)
	s.mu.Lock()
	q.asking = nil
	close(asking)
	if err != nil {
		return // the fleet is not up any more: all that wait are decided without it
	}
	now := l.now()
	l.table.account(s, key, now).take(now, what, got)
	q.granted = got.need
}

func (s *shard) join(key uint64) *queue {
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

func (s *shard) leave(key uint64) {
	q := s.queues[key]
	if q.waiting--; q.waiting == 0 {
		delete(s.queues, key)
	}
}
