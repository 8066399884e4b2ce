package idempotent

import (
	"context"
	"errors"
	"sync"
	"time"
)

// claimHold is one request's hold on its claim: it renews the lease while the request runs. It is decided once, by release or by
// record.
type claimHold struct {
	*handler
	claim  *claim
	cancel context.CancelFunc
	renew  sync.WaitGroup
}

// hold renews the claim until the hold ends.
func (h *handler) hold(ctx context.Context, c *claim) *claimHold {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	hold := &claimHold{handler: h, claim: c, cancel: cancel}
	hold.renew.Go(func() { c.renewUntil(ctx) }) // when the claim is lost, record finds out
	return hold
}

// end stops the renewals. Otherwise a renewal after release would claim the key again, without a request.
func (t *claimHold) end() {
	t.cancel()
	t.renew.Wait()
}

// release gives up the claim, so that the next request with this key runs again.
func (t *claimHold) release(ctx context.Context) {
	t.end()
	t.count("freed")
	if t.claim.release(ctx) != nil {
		t.background.start(func(ctx context.Context) { retry(ctx, t.claim, t.claim.release) })
	}
}

// record stores the result. If the store cannot be reached, it goes on trying in the background while the client gets its response.
func (t *claimHold) record(ctx context.Context, r result) {
	t.end()
	complete := func(ctx context.Context) error { return t.claim.complete(ctx, r) }
	err := complete(ctx)
	if err == nil || errors.Is(err, errClaimLost) ||
		!t.background.start(func(ctx context.Context) { t.recorded(r, retry(ctx, t.claim, complete)) }) {
		t.recorded(r, err)
	}
}

func (t *claimHold) recorded(r result, err error) {
	switch {
	case err != nil:
		t.count("lost")
		t.log.Warn("response not recorded: a repetition may have its effect again", "service", t.service, "err", err)
	case r.kept:
		t.count("recorded")
	default:
		t.count("unkept")
	}
}

// retryPause is the time between two attempts to reach the store.
const retryPause = 500 * time.Millisecond

// retry repeats a store update until it succeeds, the claim is lost or its lease may have expired.
func retry(ctx context.Context, c *claim, update func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.lease())
	defer cancel()
	for {
		err := update(ctx)
		if err == nil || errors.Is(err, errClaimLost) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(retryPause):
		}
	}
}
