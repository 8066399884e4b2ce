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

	"github.com/tenfold-go/tenfold/internal/usertext"
)

const (
	maxSetBytes  = 1 << 20
	fetchTimeout = 10 * time.Second
)

// source is the place of the keys: a URL or a file.
type source struct {
	location string
	client   *http.Client // nil for a file
}

func newSource(location string, transport http.RoundTripper) source {
	if !strings.Contains(location, "://") {
		return source{location: location}
	}
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.DisableKeepAlives = true // an open connection would be idle until the next refresh
		t.MaxResponseHeaderBytes = 64 << 10
		transport = t
	}
	return source{location, &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (s source) isURL() bool { return s.client != nil }

func (s source) read(ctx context.Context) ([]byte, error) {
	if s.isURL() {
		return s.fetch(ctx)
	}
	return s.readFile()
}

// fetch reads the keys from the URL. It follows no redirect, because the configuration names the only trusted place.
func (s source) fetch(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.location, nil)
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
	return readLimited(resp.Body)
}

func (s source) readFile() ([]byte, error) {
	info, err := os.Stat(s.location)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	f, err := usertext.Open(s.location)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readLimited(f)
}

func readLimited(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSetBytes+1))
	if err == nil && len(data) > maxSetBytes {
		err = errors.New("is larger than 1 MiB")
	}
	return data, err
}

// KeysError says that the keys of a source cannot be used.
type KeysError struct {
	Source string
	Err    error
}

func (e *KeysError) Error() string { return fmt.Sprintf("read keys %q: %v", e.Source, e.Err) }
func (e *KeysError) Unwrap() error { return e.Err }

// Path returns the path of the value in the file of the configuration.
func (e *KeysError) Path() string { return "jwt.keys" }

// Hint returns how to solve the problem, or "" if that is not known.
func (e *KeysError) Hint() string {
	if errors.Is(e.Err, errSecret) {
		return "the gateway needs only the public key; to extract it from a PEM file: openssl pkey -in private.pem -pubout"
	}
	return usertext.HintOf(e.Err)
}
