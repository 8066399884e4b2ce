package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/journey"
)

// Check makes one request to find out whether the target can be reached, and returns the status. Any HTTP response
// counts as reachable. It fails with an *UnreachableError if there is no response.
func (t *Target) Check(ctx context.Context, o *Options) (status int, err error) {
	o, err = o.withDefaults()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	transport := newCheckTransport(t.url, o)
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(t.Request(ctx))
	if err != nil {
		return 0, &UnreachableError{t.url.Redacted(), err}
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, &UnreachableError{t.url.Redacted(), err}
	}
	return resp.StatusCode, nil
}

// CheckJourney makes each kind of visit of j once, without pauses, so that a step that cannot work is found before the
// load begins. The target serves these visits. It fails with a *journey.Error or an *UnreachableError.
func CheckJourney(ctx context.Context, j *journey.Journey, base string, o *Options) error {
	u, err := ParseURL(base)
	if err != nil {
		return err
	}
	if o, err = o.withDefaults(); err != nil {
		return err
	}
	transport := newCheckTransport(u, o)
	defer transport.CloseIdleConnections()
	for _, visitor := range j.Visitors {
		if err := tryVisit(ctx, j.VisitAs(visitor, u.URL), transport, o.Timeout); err != nil {
			var failed *journey.Error
			if errors.As(err, &failed) {
				return fmt.Errorf("check visitor %s: %w", visitor.Name, err)
			}
			return &UnreachableError{u.Redacted(), err}
		}
	}
	return nil
}

func tryVisit(ctx context.Context, v *journey.Visit, transport *http.Transport, timeout time.Duration) error {
	for _, s := range v.Steps {
		limited, cancel := context.WithTimeout(ctx, timeout)
		_, err := v.Do(limited, s, transport)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

func newCheckTransport(u URL, o *Options) *http.Transport {
	transport := newTransport(o)
	if u.Scheme == "http" {
		network, address := u.address()
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return o.Dial(ctx, network, address)
		}
	}
	return transport
}

// UnreachableError says that a target did not respond.
type UnreachableError struct {
	Target string
	Err    error
}

func (e *UnreachableError) Error() string { return fmt.Sprintf("reach %s: %v", e.Target, e.Err) }
func (e *UnreachableError) Unwrap() error { return e.Err }

// Cause is the likely cause of an UnreachableError.
type Cause uint8

const (
	NotListening       Cause = iota // no server at that address, or the connection broke
	NotTLS                          // an https URL of a server without TLS
	NotPlain                        // an http URL of a server with TLS
	UnknownCertificate              // the certificate does not verify
	UnknownHost                     // the name has no address
	TimedOut                        // no response in time
)

// Cause returns the likely cause.
func (e *UnreachableError) Cause() Cause {
	var record tls.RecordHeaderError
	var verify *tls.CertificateVerificationError
	var dns *net.DNSError
	switch {
	case errors.As(e.Err, &record):
		return NotTLS
	case errors.As(e.Err, &verify):
		return UnknownCertificate
	case errors.As(e.Err, &dns):
		return UnknownHost
	case strings.HasPrefix(e.Target, "http://") && (errors.Is(e.Err, io.EOF) || isMalformedHTTP(e.Err)):
		return NotPlain
	case errors.Is(e.Err, context.DeadlineExceeded):
		return TimedOut
	}
	return NotListening
}

// isMalformedHTTP recognizes an error for which net/http has only a text.
func isMalformedHTTP(err error) bool { return strings.Contains(err.Error(), "malformed HTTP") }

// Public returns an address of the URL's host that is neither on this machine nor in a private network. It returns ""
// if the host has no such address or is not known.
func Public(ctx context.Context, u URL) string {
	if u.Socket != "" {
		return ""
	}
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

// carrierGrade is the address space of carriers and overlay networks (RFC 6598).
var carrierGrade = netip.MustParsePrefix("100.64.0.0/10")

func private(a netip.Addr) bool {
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsUnspecified() || carrierGrade.Contains(a)
}

// Local reports whether the URL names this machine, so that target and generator share its cores.
func Local(u URL) bool {
	a, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && (a.IsLoopback() || a.IsUnspecified())
}
