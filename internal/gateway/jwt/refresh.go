package jwt

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	firstRetry = time.Second // after a reading that failed; doubles
	lastRetry  = time.Minute
)

// Run reads the keys: now, then every Refresh or a little sooner, when a token with an unknown key asks for it, and while
// reading fails after growing pauses. The keys that were read last count until others are. It returns nil when ctx ends.
func (v *Verifier) Run(ctx context.Context) error {
	failed := 0 // in a row
	for {
		v.readings.begin()
		err := v.refresh(ctx)
		v.readings.end()
		if ctx.Err() != nil {
			return nil
		}
		pause := v.cfg.Refresh
		if failed++; err == nil {
			failed = 0
		} else {
			pause = min(pause, lastRetry, firstRetry<<min(failed-1, 10))
		}
		pause -= rand.N(pause/5 + 1) // many gateways do not ask at once
		if err != nil {
			v.log.Warn("keys of tokens could not be read", "keys", v.cfg.Keys, "err", err, "failed_in_a_row", failed,
				"retry_s", pause.Seconds(), "have_old_ones", v.keys.Load() != nil)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-v.readings.wanted:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// refresh is one reading.
func (v *Verifier) refresh(ctx context.Context) error {
	data, err := v.source.read(ctx)
	if err == nil {
		err = v.adopt(data)
	}
	if ctx.Err() == nil {
		v.metrics.read(err)
	}
	return err
}

// adopt makes what was read the keys. What it finds in them is told when it is new.
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
	v.tell(set)
	return nil
}

func (v *Verifier) tell(set *keySet) {
	v.log.Info("keys of tokens read", "keys", v.cfg.Keys, "usable", len(set.keys), "ignored", len(set.ignored))
	for _, k := range set.ignored {
		if errors.Is(k.why, errSecret) {
			v.log.Error("a secret is among the keys of tokens", "keys", v.cfg.Keys, "index", k.index)
			continue
		}
		v.log.Info("key of tokens ignored", "keys", v.cfg.Keys, "index", k.index, "why", k.why)
	}
	if len(set.keys) == 0 {
		v.log.Warn("no key of tokens can be used: all tokens are refused", "keys", v.cfg.Keys)
	}
}
