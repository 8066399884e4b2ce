package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Check makes one request and says whether the target can be reached at all. An answer is an answer, whatever its status:
// that is returned.
func (t *Target) Check(ctx context.Context, o *Options) (status int, err error) {
	o, err = o.withDefaults()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	transport := newTransport(o)
	if t.url.Scheme == "http" {
		transport.DialContext = o.Dial
	}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(t.request(ctx))
	if err != nil {
		return 0, &UnreachableError{t.url.Redacted(), err}
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, &UnreachableError{t.url.Redacted(), err}
	}
	return resp.StatusCode, nil
}

// UnreachableError says that a target did not answer at all.
type UnreachableError struct {
	Target string
	Err    error
}

func (e *UnreachableError) Error() string { return fmt.Sprintf("reach %s: %v", e.Target, e.Err) }
func (e *UnreachableError) Unwrap() error { return e.Err }

// Hint is the likely cause.
func (e *UnreachableError) Hint() string {
	var record tls.RecordHeaderError
	var verify *tls.CertificateVerificationError
	var dns *net.DNSError
	switch {
	case errors.As(e.Err, &record):
		return "it does not speak TLS there: http:// instead of https://?"
	case errors.As(e.Err, &verify):
		return "--insecure accepts any certificate, --ca FILE one of your own authority"
	case errors.As(e.Err, &dns):
		return "is the name right?"
	case strings.HasPrefix(e.Target, "http://") && (errors.Is(e.Err, io.EOF) || strings.Contains(e.Err.Error(), "malformed HTTP")):
		return "it does not speak HTTP in the clear there: https:// instead of http://?"
	case errors.Is(e.Err, context.DeadlineExceeded):
		return "nothing came within the --timeout"
	}
	return "is the service running, and is that its address?"
}

// Public returns an address of the URL's host that is neither on this machine nor in a private network, or "" when there
// is none, or the host is not known.
func Public(ctx context.Context, u *url.URL) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return ""
	}
	for _, a := range addrs {
		if a = a.Unmap(); !private(a) {
			return a.String()
		}
	}
	return ""
}

// shared is the address space of carriers and of overlay networks (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

func private(a netip.Addr) bool {
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsUnspecified() || shared.Contains(a)
}

// Local reports whether the URL's host is this machine by its name or address, so that target and generator share cores.
func Local(u *url.URL) bool {
	a, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && (a.IsLoopback() || a.IsUnspecified())
}
