package status

import "context"

// AwaitReady waits until every service has all its wanted nodes ready. The nodes of a worker may have finished instead. It returns the error of ctx when that ends
// first.
func (v *View) AwaitReady(ctx context.Context) error { return v.Wait(ctx, v.allReady) }

func (v *View) allReady() bool {
	for _, s := range v.Services() {
		if s.Ready+s.Finished < s.Wanted {
			return false
		}
	}
	return true
}

// Wait waits until condition holds. It evaluates condition at once and after each change of a service or node. It
// returns the error of ctx when that ends first.
func (v *View) Wait(ctx context.Context, condition func() bool) error {
	for {
		fleet, gateway := v.fleet.Changed(), v.gateway.Changed() // before the condition, to miss no change
		if condition() {
			return nil
		}
		select {
		case <-fleet:
		case <-gateway:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
