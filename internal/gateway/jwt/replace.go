package jwt

import (
	"context"
	"slices"
)

// Inherit takes over the keys of the verifier that v is going to replace, if they come from the same place and are for the
// same algorithms. It takes over no verified token: v may have other conditions.
func (v *Verifier) Inherit(old *Verifier) {
	set := old.keys.Load()
	if set == nil || v.cfg.Keys != old.cfg.Keys || v.cfg.Secret != old.cfg.Secret || !slices.Equal(v.cfg.Algorithms, old.cfg.Algorithms) {
		return
	}
	v.keys.CompareAndSwap(nil, &keySet{keys: set.keys, ignored: set.ignored})
}

// AwaitKeys waits until the keys are there. It needs Run. It fails with a [*KeysError] when they cannot be read at the
// first attempt, or before ctx ends.
func (v *Verifier) AwaitKeys(ctx context.Context) error {
	if v.keys.Load() != nil {
		return nil
	}
	var err error
	select {
	case err = <-v.first:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return &KeysError{Source: v.cfg.Keys, Err: err}
	}
	return nil
}

// Reread reads a file of keys again, as after a change of it. adopt makes v use the keys. Reread fails with a [*KeysError]
// when the file has no usable key; then v keeps those that it has. For keys at a URL, which Run reads, adopt does nothing.
func (v *Verifier) Reread() (adopt func(), err error) {
	if v.cfg.Secret != "" || v.source.isURL() {
		return func() {}, nil
	}
	data, err := v.source.readFile()
	if err == nil {
		var set *keySet
		if set, err = readSet(data, v.cfg.Algorithms); err == nil && len(set.keys) == 0 {
			err = set.noKeyError()
		}
	}
	if err != nil {
		return nil, &KeysError{Source: v.cfg.Keys, Err: err}
	}
	return func() { v.adopt(data) }, nil // readSet has accepted the same data
}
