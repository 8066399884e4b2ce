package acme

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/tenfold-go/tenfold/internal/gateway/certificate/certstore"
)

// manage keeps the certificate of one name in memory and in the storage until ctx ends.
func (m *Manager) manage(ctx context.Context, s *solver, name string) {
	var current certmagic.Certificate
	for failures := 0; ; {
		var try attempt
		next, err := m.ensure(context.WithValue(ctx, attemptKey{}, &try), s, name)
		if ctx.Err() != nil {
			return
		}
		if !next.Empty() && next.Hash() != current.Hash() {
			m.certificates.Store(name, &next.Certificate)
			if !current.Empty() {
				s.cache.Remove([]string{current.Hash()})
			}
			current = next
			m.options.Log.Info("certificate in use", "name", name, "issuer", next.Leaf.Issuer.CommonName, "expires", next.Leaf.NotAfter.UTC())
		}
		now := time.Now()
		wait := untilRenewal(now, current, m.options.Jitter())
		state := Status{Leaf: current.Leaf}
		if failures++; err == nil {
			failures = 0
		} else {
			wait = retryAfter(failures, try.cheap(err))
			state.Err, state.RetryAt = err, now.Add(wait)
			m.options.Log.Warn("certificate was not ordered", "name", name, "err", oneLine(err), "retry_in_s", wait.Seconds(),
				"expires", expiryOf(current))
		}
		m.set(name, state)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// forget drops the certificate of a name that is not wanted any more. It stays in the storage.
func (m *Manager) forget(name string) {
	m.certificates.Delete(name)
	m.mu.Lock()
	delete(m.status, name)
	m.mu.Unlock()
	m.options.Changed()
}

func (m *Manager) set(name string, s Status) {
	m.mu.Lock()
	m.status[name] = s
	m.mu.Unlock()
	m.options.Changed()
}

// ensure returns the certificate of the storage. It orders one if there is none, or if it is due. When that fails, it
// returns the one before and the error.
func (m *Manager) ensure(ctx context.Context, s *solver, name string) (certmagic.Certificate, error) {
	cert, err := s.config.CacheManagedCertificate(ctx, name)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !missing:
		return certmagic.Certificate{}, err
	case !missing && !cert.NeedsRenewal(s.config):
		return cert, nil
	}
	if !missing {
		m.certificates.Store(name, &cert.Certificate) // while the order runs, which may take long
	}
	select {
	case m.orders <- struct{}{}:
		defer func() { <-m.orders }()
	case <-ctx.Done():
		return cert, ctx.Err()
	}
	order := s.config.ObtainCertSync // it orders nothing if another gateway has been faster
	if !missing {
		order = func(ctx context.Context, name string) error { return s.config.RenewCertSync(ctx, name, false) }
	}
	limited, cancel := context.WithTimeout(certstore.Operation(ctx), orderTimeout)
	defer cancel()
	if err := order(limited, name); err != nil {
		return cert, err
	}
	renewed, err := s.config.CacheManagedCertificate(ctx, name)
	if err != nil {
		return cert, err
	}
	return renewed, nil
}

const (
	orderTimeout = 10 * time.Minute
	maxWait      = time.Hour // OCSP responses and certificates that other gateways have renewed are read this often
)

// untilRenewal returns how long a certificate may be used before it is looked at again: until a third of its life is left,
// when certmagic renews it, and somewhat longer, so that several gateways do not meet.
func untilRenewal(now time.Time, c certmagic.Certificate, jitter float64) time.Duration {
	if c.Empty() || c.Leaf == nil {
		return maxWait
	}
	life := c.Leaf.NotAfter.Sub(c.Leaf.NotBefore)
	due := c.Leaf.NotAfter.Add(-time.Duration(certmagic.DefaultRenewalWindowRatio * float64(life)))
	wait := due.Sub(now) + time.Duration(jitter*float64(life)/100)
	return min(max(wait, time.Second), maxWait)
}

const (
	firstCheapRetry = 5 * time.Second
	lastCheapRetry  = 5 * time.Minute
	firstRetry      = time.Minute
	lastRetry       = 6 * time.Hour
)

// retryAfter returns the pause after a number of failures in a row. An authority limits how often names may fail and how often
// they get a certificate, so an attempt that has reached it is repeated less often than a cheap one.
func retryAfter(failures int, cheap bool) time.Duration {
	first, last := firstRetry, lastRetry
	if cheap {
		first, last = firstCheapRetry, lastCheapRetry
	}
	return min(first<<min(failures-1, 16), last)
}

func expiryOf(c certmagic.Certificate) any {
	if c.Empty() || c.Leaf == nil {
		return "no certificate"
	}
	return c.Leaf.NotAfter.UTC()
}

// oneLine returns an error without line breaks, for a log record.
func oneLine(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > 1000 {
		text = strings.ToValidUTF8(text[:1000], "") + "..."
	}
	return text
}
