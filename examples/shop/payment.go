package shop

import (
	"context"
	"errors"
	"time"
)

// Payments is the provider that charges customers.
type Payments interface {
	// Charge charges once per reference, however often it is called, so that a retry is safe. It returns ErrPaymentsBusy when
	// the provider is overloaded, and when the charge has not started before ctx ends.
	Charge(ctx context.Context, reference string, cents int64) error
}

// ErrPaymentsBusy means that nothing was charged, and that the charge may be retried.
var ErrPaymentsBusy = errors.New("payments are busy")

// paymentWait is how long a charge waits for a free slot.
const paymentWait = 10 * time.Second

// simulation is a payment provider that only takes time. It stores nothing.
type simulation struct {
	latency time.Duration
	slots   chan struct{} // one for each concurrent charge; nil for any number
}

// SimulatePayments returns a provider that takes latency per charge and serves at most limit concurrent charges, or any number with
// 0. So the capacity of a node's checkout is known: limit / latency orders per second.
func SimulatePayments(latency time.Duration, limit int) Payments {
	s := &simulation{latency: latency}
	if limit > 0 {
		s.slots = make(chan struct{}, limit)
	}
	return s
}

func (s *simulation) Charge(ctx context.Context, _ string, _ int64) error {
	if s.slots != nil {
		ctx, cancel := context.WithTimeout(ctx, paymentWait)
		defer cancel()
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		case <-ctx.Done():
			return ErrPaymentsBusy
		}
	}
	time.Sleep(s.latency) // a started charge is not cancelled when the client disconnects
	return nil
}
