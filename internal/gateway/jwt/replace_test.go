package jwt

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A verifier with other conditions takes over the keys, and none of the verified tokens.
func TestInheritTakesKeysAndNoTokens(t *testing.T) {
	a := newSigner(t, "a", "EdDSA")
	withRunning(t, answers(200, jwks(t, a)), func(t *testing.T, old *Verifier, _ *fakeIssuer) {
		synctest.Wait()
		wantReason(t, old, a.valid(t), "", 0)
		cfg := old.cfg
		cfg.Audience = []string{"another"}
		v := newVerifier(t, &cfg, nil)
		v.Inherit(old)
		if err := v.AwaitKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantReason(t, v, a.valid(t), WrongAudienceOrIssuer, 0)
		for _, change := range []func(){
			func() { cfg.Keys = "https://other.example/" },
			func() { cfg.Keys, cfg.Algorithms = old.cfg.Keys, []string{"RS256"} },
		} {
			change()
			if v := newVerifier(t, &cfg, nil); v.keys.Load() != nil {
				t.Fatal("keys without Inherit")
			} else if v.Inherit(old); v.keys.Load() != nil {
				t.Errorf("keys of %v were taken over for %v %v", old.cfg.Keys, cfg.Keys, cfg.Algorithms)
			}
		}
	})
}

// AwaitKeys returns with the first keys, and fails with the first failure or with its context.
func TestAwaitKeys(t *testing.T) {
	a := newSigner(t, "a", "EdDSA")
	withRunning(t, answers(200, jwks(t, a)), func(t *testing.T, v *Verifier, _ *fakeIssuer) {
		if err := v.AwaitKeys(t.Context()); err != nil || v.keys.Load() == nil {
			t.Errorf("got %v", err)
		}
	})
	withRunning(t, refuses, func(t *testing.T, v *Verifier, _ *fakeIssuer) {
		if err := v.AwaitKeys(t.Context()); !errors.As(err, new(*KeysError)) {
			t.Errorf("got %v", err)
		}
	})
	withRunning(t, hangs, func(t *testing.T, v *Verifier, _ *fakeIssuer) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := v.AwaitKeys(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// A file of keys that has changed is used after adopt. A broken one changes nothing.
func TestReread(t *testing.T) {
	a, b := newSigner(t, "a", "EdDSA"), newSigner(t, "b", "EdDSA")
	file := keyFile(t, jwks(t, a))
	v := newVerifier(t, jwtConfig(file, "EdDSA"), nil)
	writeFile(t, file, jwks(t, b))
	adopt, err := v.Reread()
	if err != nil {
		t.Fatal(err)
	}
	if reasonOf(t, v, a.valid(t)) != "" {
		t.Error("the keys have changed before adopt")
	}
	adopt()
	if reasonOf(t, v, b.valid(t)) != "" {
		t.Error("the new key is not used after adopt")
	}
	for _, broken := range []string{"{", `{"keys":[]}`} {
		writeFile(t, file, []byte(broken))
		if adopt, err := v.Reread(); !errors.As(err, new(*KeysError)) || adopt != nil {
			t.Errorf("%s: %v", broken, err)
		}
	}
	if reasonOf(t, v, b.valid(t)) != "" {
		t.Error("the key is not used after a broken file")
	}
}
