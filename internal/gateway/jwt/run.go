package jwt

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	firstRetry = time.Second // pause after the first failed refresh; it doubles with each further one
	lastRetry  = time.Minute
)

// Run reads the keys at once, then after each Refresh or up to a fifth earlier, and when a token with an unknown key
// triggers it. After a failure it retries with growing pauses; the last keys stay in use. With a secret there is nothing
// to read. It returns nil when ctx ends.
func (v *Verifier) Run(ctx context.Context) error {
	if v.cfg.Secret != "" {
		<-ctx.Done()
		return nil
	}
	failures := 0 // consecutive
	for {
		v.refresher.begin()
		err := v.refresh(ctx)
		v.refresher.end()
		if ctx.Err() != nil {
			return nil
		}
		select {
		case v.first <- err:
		default: // it has the result of an earlier refresh
		}
		pause := v.cfg.Refresh
		if failures++; err == nil {
			failures = 0
		} else {
			pause = min(pause, lastRetry, firstRetry<<min(failures-1, 10))
		}
		pause -= rand.N(pause/5 + 1) // so that many gateways do not read at the same time
		if err != nil {
			v.log.Warn("cannot read token keys", "keys", v.cfg.Keys, "err", err, "consecutive_failures", failures,
				"retry_s", pause.Seconds(), "old_keys_in_use", v.keys.Load() != nil)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-v.refresher.triggered:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// refresh reads the keys once.
func (v *Verifier) refresh(ctx context.Context) error {
	data, err := v.source.read(ctx)
	if err == nil {
		err = v.adopt(data)
	}
	if ctx.Err() == nil {
		v.metrics.countRefresh(err)
	}
	return err
}

// adopt replaces the keys by those in data, and logs them if they are new. If data is not a valid set, it returns an
// error and keeps the old keys.
func (v *Verifier) adopt(data []byte) error {
	set, err := readSet(data, v.cfg.Algorithms)
	if err != nil {
		return err
	}
	if old := v.keys.Load(); old != nil && old.equal(set) {
		return nil
	}
	v.keys.Store(set)
	v.metrics.keys.Set(float64(len(set.keys)))
	v.metrics.ignoredKeys.Set(float64(len(set.ignored)))
	v.logKeys(set)
	return nil
}

func (v *Verifier) logKeys(set *keySet) {
	v.log.Info("token keys loaded", "keys", v.cfg.Keys, "usable", len(set.keys), "ignored", len(set.ignored))
	for _, k := range set.ignored {
		if errors.Is(k.err, errSecret) {
			v.log.Error("token keys contain a secret", "keys", v.cfg.Keys, "index", k.index)
			continue
		}
		v.log.Info("token key ignored", "keys", v.cfg.Keys, "index", k.index, "err", k.err)
	}
	if len(set.keys) == 0 {
		v.log.Warn("no usable token key: every token is refused", "keys", v.cfg.Keys)
	}
}
