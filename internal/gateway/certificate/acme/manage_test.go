package acme

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/tenfold-go/tenfold/internal/config"
)

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		failures int
		cheap    bool
		want     time.Duration
	}{
		{1, true, 5 * time.Second}, {2, true, 10 * time.Second}, {7, true, 5 * time.Minute}, {1000, true, 5 * time.Minute},
		{1, false, time.Minute}, {2, false, 2 * time.Minute}, {10, false, 6 * time.Hour}, {1 << 40, false, 6 * time.Hour},
	} {
		if got := retryAfter(c.failures, c.cheap); got != c.want {
			t.Errorf("%d failures, cheap %v: %v, want %v", c.failures, c.cheap, got, c.want)
		}
	}
}

// An order that the authority has answered, or after which the storage failed, is not repeated soon.
func TestCheapAttempts(t *testing.T) {
	for _, c := range []struct {
		issued bool
		err    string
		want   bool
	}{
		{false, "dial tcp: connection refused", true}, {false, "failed storage check: EOF", true},
		{false, "HTTP 429 urn:ietf:params:acme:error:rateLimited - slow down", false}, {true, "store certificates/x: EOF", false},
	} {
		if got := (&attempt{c.issued}).cheap(errors.New(c.err)); got != c.want {
			t.Errorf("%v: %v", c, got)
		}
	}
}

// A certificate is looked at again when a third of its life is left, at least once per hour, and at most once per second.
func TestUntilRenewal(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		life, left time.Duration
		jitter     float64
		want       time.Duration
	}{
		{90 * 24 * time.Hour, 80 * 24 * time.Hour, 0, time.Hour}, {3 * time.Hour, 90 * time.Minute, 0, 30 * time.Minute},
		{30 * time.Minute, 20 * time.Minute, 1, 10*time.Minute + 18*time.Second}, {3 * time.Hour, time.Minute, 0, time.Second},
		{3 * time.Hour, -time.Minute, 1, time.Second},
	} {
		cert := certmagic.Certificate{Certificate: tls.Certificate{Certificate: [][]byte{{1}}, Leaf: &x509.Certificate{
			NotBefore: now.Add(c.left - c.life), NotAfter: now.Add(c.left)}}}
		if got := untilRenewal(now, cert, c.jitter); (got - c.want).Abs() > time.Millisecond {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if got := untilRenewal(now, certmagic.Certificate{}, 0); got != time.Hour {
		t.Errorf("without a certificate: %v", got)
	}
}

// Before it runs, and for names that no route has, a manager answers no challenge and has no certificate.
func TestManagerWithoutAnything(t *testing.T) {
	m, err := New(Settings{ACME: config.ACME{Directory: "https://ca.test/dir"}, Directory: t.TempDir()}, &Options{
		Log: slog.New(slog.DiscardHandler), Ordered: func(bool) {}, Changed: func() {}, Jitter: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	m.Manage([]string{"b.test", "a.test"})
	if m.Certificate("a.test") != nil {
		t.Error("a certificate out of nothing")
	}
	r := httptest.NewRequest("GET", "http://a.test/.well-known/acme-challenge/x", nil)
	if m.ServeChallenge(httptest.NewRecorder(), r) {
		t.Error("a challenge was answered")
	}
	if all := m.Status(); len(all) != 2 || all[0].Name != "a.test" || all[0].Leaf != nil || all[0].Err != nil {
		t.Errorf("status %+v", all)
	}
	if _, err := New(Settings{ACME: config.ACME{CA: t.TempDir() + "/missing"}}, &Options{}); err == nil {
		t.Error("a missing file of authorities is accepted")
	}
}
