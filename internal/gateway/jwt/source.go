package jwt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

const (
	maxSetBytes = 1 << 20
	readTimeout = 10 * time.Second // for the whole of a fetch
)

// source is where the keys are: a URL, or a file.
type source struct {
	at     string
	client *http.Client // nil for a file
}

func newSource(at string, transport http.RoundTripper) source {
	if !strings.Contains(at, "://") {
		return source{at: at}
	}
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.DisableKeepAlives = true // a connection would be idle between two readings, and nobody's
		t.MaxResponseHeaderBytes = 64 << 10
		transport = t
	}
	return source{at, &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (s source) remote() bool { return s.client != nil }

func (s source) read(ctx context.Context) ([]byte, error) {
	if s.remote() {
		return s.fetch(ctx)
	}
	info, err := os.Stat(s.at)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	f, err := os.Open(s.at)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return atMost(f)
}

// fetch follows no redirect: where it leads is not where the configuration says that the keys are.
func (s source) fetch(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.at, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	req.Header.Set("User-Agent", "tenfold")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return nil, fmt.Errorf("answered %d: redirects are not followed", resp.StatusCode)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("answered %d", resp.StatusCode)
	}
	return atMost(resp.Body)
}

func atMost(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSetBytes+1))
	if err == nil && len(data) > maxSetBytes {
		err = errors.New("is larger than 1 MiB")
	}
	return data, err
}

// KeysError is a source whose keys cannot be used.
type KeysError struct {
	Source string
	Err    error
}

func (e *KeysError) Error() string { return fmt.Sprintf("read keys %q: %v", e.Source, e.Err) }
func (e *KeysError) Unwrap() error { return e.Err }

// Hint is what mends it, when that is known.
func (e *KeysError) Hint() string {
	if errors.Is(e.Err, errSecret) {
		return "the gateway needs the public key alone; of a PEM file: openssl pkey -in private.pem -pubout"
	}
	return ""
}
