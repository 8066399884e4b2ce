package status

import "context"

// AwaitReady waits until every service that the fleet runs has all its wanted nodes ready. The nodes of a worker may have
// finished instead, and nodes at listed addresses may be away. It returns the error of ctx when that ends first.
func (v *View) AwaitReady(ctx context.Context) error { return v.Wait(ctx, v.allReady) }

// listed is the kind of a service whose nodes tenfold does not start.
const listed = "static"

func (v *View) allReady() bool {
	for _, s := range v.Services() {
		if s.Kind != listed && s.Ready+s.Finished < s.Wanted {
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
