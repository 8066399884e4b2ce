package gateway

import (
	"crypto/tls"
	"fmt"

	"github.com/tenfold-go/tenfold/internal/config"
)

// tlsConfig loads the certificate. It returns nil when the configuration has none and the gateway serves plain HTTP.
func tlsConfig(files *config.TLS) (*tls.Config, error) {
	if files == nil {
		return nil, nil
	}
	cert, err := files.Load()
	if err != nil {
		return nil, fmt.Errorf("load certificate %q: %w", files.Cert, err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	}, nil
}
