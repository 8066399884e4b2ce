package shop

import (
	"context"
	"errors"
	"time"
)

// Payments is the provider that charges customers.
type Payments interface {
	// Charge takes the money once per reference, however often it is asked, so that asking again is safe. It returns
	// ErrPaymentsBusy when the provider takes no more for now, and when it has not begun by the time ctx ends.
	Charge(ctx context.Context, reference string, cents int64) error
}

// ErrPaymentsBusy means that nothing was charged and the same charge may be tried again.
var ErrPaymentsBusy = errors.New("payments are busy")

// paymentWait is how long a charge waits for its turn.
const paymentWait = 10 * time.Second

// simulation is a provider that takes its time. It remembers nothing: like a real provider's, its references are its own.
type simulation struct {
	latency time.Duration
	turns   chan struct{} // one for each charge that may be under way; nil for any number
}

// SimulatePayments makes a provider that takes latency per charge and serves at most limit charges at once, 0 for any
// number. So a node's checkout has a capacity that is known beforehand: limit / latency orders per second.
func SimulatePayments(latency time.Duration, limit int) Payments {
	s := &simulation{latency: latency}
	if limit > 0 {
		s.turns = make(chan struct{}, limit)
	}
	return s
}

func (s *simulation) Charge(ctx context.Context, _ string, _ int64) error {
	if s.turns != nil {
		ctx, cancel := context.WithTimeout(ctx, paymentWait)
		defer cancel()
		select {
		case s.turns <- struct{}{}:
			defer func() { <-s.turns }()
		case <-ctx.Done():
			return ErrPaymentsBusy
		}
	}
	time.Sleep(s.latency) // a charge that has begun is not called back when the customer leaves
	return nil
}
