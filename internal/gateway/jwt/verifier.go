package jwt

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// Options tune a Verifier. Zero fields mean their defaults.
type Options struct {
	Log     *slog.Logger // changes of the keys and failures to read them; default: discard
	Metrics *Metrics     // default: not exported

	// Transport fetches keys from a URL. Default: one connection per fetch, with the system's proxy and certificate
	// authorities.
	Transport http.RoundTripper
}

// Verifier verifies the tokens of one issuer. It is safe for concurrent use.
type Verifier struct {
	cfg       config.JWT
	source    source
	keys      atomic.Pointer[keySet] // nil until the keys are read for the first time
	refresher refresher
	first     chan error // capacity 1: the result of the first refresh
	metrics   *Metrics
	log       *slog.Logger
}

// New returns a Verifier. It starts no goroutine. If the keys are in a file, New reads it and fails if it is invalid.
// Keys at a URL are read by Run, because an unavailable issuer must not prevent the start of the gateway.
func New(cfg *config.JWT, o *Options) (*Verifier, error) {
	if o == nil {
		o = &Options{}
	}
	for _, a := range cfg.Algorithms {
		if methods[a] == nil || a == hmacAlgorithm && cfg.Secret == "" {
			return nil, fmt.Errorf("verify tokens: algorithm %q does not use public keys or is unknown", a)
		}
	}
	if len(cfg.Algorithms) == 0 || cfg.Issuer == "" || len(cfg.Audience) == 0 {
		return nil, errors.New("verify tokens: algorithms, issuer and audience are required")
	}
	if err := checkSecret(cfg); err != nil {
		return nil, err
	}
	v := &Verifier{
		cfg:       *cfg,
		source:    newSource(cfg.Keys, o.Transport),
		refresher: newRefresher(cfg.Refetch),
		first:     make(chan error, 1),
		metrics:   o.Metrics,
		log:       o.Log,
	}
	if v.metrics == nil {
		v.metrics = NewMetrics(nil)
	}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Secret != "" {
		v.keys.Store(secretSet(cfg.Secret))
		v.metrics.keys.Set(1)
		return v, nil
	}
	if !v.source.isURL() {
		if err := v.loadFile(); err != nil {
			return nil, &KeysError{Source: cfg.Keys, Err: err}
		}
	}
	return v, nil
}

// checkSecret fails for a secret that is too short, or that is combined with public keys or their algorithms. Its error never
// has the secret.
func checkSecret(cfg *config.JWT) error {
	switch {
	case cfg.Secret == "":
		return nil
	case len(cfg.Secret) < minSecret:
		return fmt.Errorf("verify tokens: the secret is shorter than %d bytes", minSecret)
	case cfg.Keys != "" || len(cfg.Algorithms) != 1 || cfg.Algorithms[0] != hmacAlgorithm:
		return errors.New("verify tokens: a secret is for HS256 alone, without keys")
	}
	return nil
}

// loadFile reads the key file for the first time. It fails if the file has no usable key, because the operator is
// waiting for the start and can correct the file.
func (v *Verifier) loadFile() error {
	data, err := v.source.readFile()
	if err != nil {
		return err
	}
	if err := v.adopt(data); err != nil {
		return err
	}
	if set := v.keys.Load(); len(set.keys) == 0 {
		return set.noKeyError()
	}
	return nil
}

// Verify returns the subject of a valid token: the issuer and the "sub" claim, joined by a NUL, which an issuer never
// contains. It returns "" for a token without subject. Each error is a *Refusal. An empty token is refused as Missing.
//
// Verify waits at most 2 s for the keys in two cases: while they are read for the first time, and while they are read
// again because the token's key is unknown.
func (v *Verifier) Verify(ctx context.Context, token string) (subject string, err error) {
	subject, refusal := v.verify(ctx, token)
	v.metrics.countToken(refusal)
	if refusal != nil {
		return "", refusal
	}
	return subject, nil
}

func (v *Verifier) verify(ctx context.Context, token string) (string, *Refusal) {
	if len(token) > maxTokenBytes {
		return "", errTooLong
	}
	sum := digest(sha256.Sum256([]byte(token)))
	if set := v.keys.Load(); set != nil {
		if id, found := set.verified.get(sum, time.Now()); found {
			return id.subject, nil
		}
	}
	id, set, refusal := v.checkToken(ctx, token)
	if refusal != nil {
		return "", refusal
	}
	set.verified.put(sum, id)
	return id.subject, nil
}

// checkToken runs the steps of the package comment. It also returns the keys that verified the token.
func (v *Verifier) checkToken(ctx context.Context, token string) (id identity, set *keySet, refusal *Refusal) {
	t, refusal := parse(token)
	if refusal != nil {
		return id, nil, refusal
	}
	if !slices.Contains(v.cfg.Algorithms, t.algorithm) {
		return id, nil, errAlgorithm
	}
	set, public, refusal := v.keyOf(ctx, t)
	if refusal != nil {
		return id, nil, refusal
	}
	if methods[t.algorithm].Verify(t.signed, t.signature, public) != nil {
		return id, nil, errSignature
	}
	id, refusal = v.checkClaims(t.claims, time.Now())
	return id, set, refusal
}

// keyOf returns the key of a token. If the key is unknown, it triggers a refresh of the keys and waits for it.
func (v *Verifier) keyOf(ctx context.Context, t token) (set *keySet, public any, refusal *Refusal) {
	if set = v.keys.Load(); set == nil {
		v.refresher.await(ctx)
		if set = v.keys.Load(); set == nil {
			return nil, nil, errNoKeys
		}
	}
	public, refusal = set.find(t.kid, t.algorithm)
	if refusal == errUnknownKey {
		v.refresher.trigger(ctx)
		set = v.keys.Load() // look again in any case: a refresh may have ended just before trigger
		public, refusal = set.find(t.kid, t.algorithm)
	}
	return set, public, refusal
}
