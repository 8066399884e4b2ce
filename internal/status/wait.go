package status

import (
	"context"
	"time"
)

// AwaitReady waits until every service has all its wanted nodes ready. It returns the error of ctx when that ends first.
func (v *View) AwaitReady(ctx context.Context) error { return v.Wait(ctx, v.allReady) }

func (v *View) allReady() bool {
	for _, s := range v.Services() {
		if s.Ready < s.Wanted {
			return false
		}
	}
	return true
}

// Wait waits until condition holds. It evaluates condition at once and after each change of a service or node. It returns
// the error of ctx when that ends first.
func (v *View) Wait(ctx context.Context, condition func() bool) error {
	for {
		changed := v.fleet.Changed() // before the condition, so that no change between the two is missed
		if condition() {
			return nil
		}
		select {
		case <-changed:
		case <-time.After(gatewayPoll):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// gatewayPoll is how often Wait looks at the gateway, whose pools do not report their changes.
const gatewayPoll = 20 * time.Millisecond
