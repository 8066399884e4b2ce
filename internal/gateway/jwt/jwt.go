// Package jwt decides whether a bearer token (RFC 7519) is one of the issuer that the configuration names. It follows
// RFC 8725: the configuration says which algorithms there are, a key is used with an algorithm of its own kind only, and
// what parsers could read in two ways is refused. Signatures are checked by golang-jwt and the standard library.
//
// A token's way:
//
//	form -> header -> key -> signature -> claims -> subject
//
// Nothing of a token is in an error, a log record or a metric.
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

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenfold-go/tenfold/internal/config"
)

// Options tune a Verifier. Zero fields mean their defaults.
type Options struct {
	Log       *slog.Logger          // what becomes of the keys; default: discard
	Metrics   prometheus.Registerer // default: none
	Transport http.RoundTripper     // fetches keys from a URL; default: one connection per fetch, with the system's proxy and authorities
}

// Verifier checks the tokens of one issuer. It is safe for concurrent use.
type Verifier struct {
	cfg      config.JWT
	source   source
	keys     atomic.Pointer[keySet] // nil until they were read for the first time
	readings readings
	metrics  *metrics
	log      *slog.Logger
}

// New reads the keys if they are in a file, so that a bad file fails the start. A URL is left to Run: an issuer that is
// down must not keep the gateway from starting. It starts nothing.
func New(cfg *config.JWT, o *Options) (*Verifier, error) {
	if o == nil {
		o = &Options{}
	}
	for _, a := range cfg.Algorithms {
		if methods[a] == nil {
			return nil, fmt.Errorf("verify tokens: algorithm %q is not one of public keys", a)
		}
	}
	if len(cfg.Algorithms) == 0 || cfg.Issuer == "" || len(cfg.Audience) == 0 {
		return nil, errors.New("verify tokens: algorithms, issuer and audience must be said")
	}
	v := &Verifier{
		cfg:      *cfg,
		source:   newSource(cfg.Keys, o.Transport),
		readings: newReadings(cfg.Refetch),
		metrics:  newMetrics(o.Metrics),
		log:      o.Log,
	}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	if !v.source.remote() {
		if err := v.readFile(); err != nil {
			return nil, &KeysError{Source: cfg.Keys, Err: err}
		}
	}
	return v, nil
}

// readFile is the first reading of a file, which must have a key: it is a person's, who is waiting for the start.
func (v *Verifier) readFile() error {
	data, err := v.source.read(context.Background())
	if err != nil {
		return err
	}
	if err := v.adopt(data); err != nil {
		return err
	}
	if set := v.keys.Load(); len(set.keys) == 0 {
		return set.unusable()
	}
	return nil
}

// Verify returns whom a token speaks for: its issuer and its subject, with a NUL between them, which an issuer never has;
// "" for a token without a subject. An error is always a *Refusal. An empty token is one that is missing.
//
// It waits, for at most 2 s, while the keys are read for the first time, and when the token's key is unknown and the keys
// may be read again because of it.
func (v *Verifier) Verify(ctx context.Context, token string) (subject string, err error) {
	subject, refusal := v.verify(ctx, token)
	v.metrics.verified(refusal)
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
		if id, held := set.remembered.get(sum, time.Now()); held {
			return id.subject, nil
		}
	}
	id, set, refusal := v.check(ctx, token)
	if refusal != nil {
		return "", refusal
	}
	set.remembered.put(sum, id)
	return id.subject, nil
}

// check is the token's way, as the package's comment draws it. It returns the keys under which the token holds, too.
func (v *Verifier) check(ctx context.Context, token string) (id identity, set *keySet, refusal *Refusal) {
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
	id, refusal = v.judge(t.claims, time.Now())
	return id, set, refusal
}

// keyOf finds the key of a token. For one that is not known it has the keys read again, when it is time for that.
func (v *Verifier) keyOf(ctx context.Context, t token) (set *keySet, public any, refusal *Refusal) {
	if set = v.keys.Load(); set == nil {
		v.readings.join(ctx)
		if set = v.keys.Load(); set == nil {
			return nil, nil, errNoKeys
		}
	}
	public, refusal = set.find(t.kid, t.algorithm)
	if refusal == errUnknownKey {
		v.readings.want(ctx)
		set = v.keys.Load() // perhaps others, also if there was nothing to wait for: a reading may just have ended
		public, refusal = set.find(t.kid, t.algorithm)
	}
	return set, public, refusal
}
