package jwt

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// readPEM reads the "PUBLIC KEY" blocks of a file. Their keys have no kid.
func readPEM(data []byte, accepted []string) (*keySet, error) {
	s := &keySet{}
	blocks := bytes.Count(data, []byte("-----BEGIN "))
	for i := 0; ; i++ {
		block, rest := pem.Decode(data)
		switch {
		case block == nil && i == 0:
			return nil, errors.New("is neither a JWKS nor a public key in PEM")
		case block == nil && i != blocks: // pem.Decode skips invalid blocks
			return nil, fmt.Errorf("has %d PEM blocks, and only %d of them are valid", blocks, i)
		case block == nil:
			return s, nil
		case i == maxKeys:
			return nil, fmt.Errorf("has more than %d keys", maxKeys)
		case strings.Contains(block.Type, "PRIVATE KEY"):
			return nil, fmt.Errorf("block %d %w", i, errSecret)
		case block.Type != "PUBLIC KEY":
			return nil, fmt.Errorf("block %d is a %q, not a PUBLIC KEY", i, block.Type)
		}
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("block %d is not a valid public key: %w", i, err)
		}
		if k, err := newKey("", "", public, accepted); err != nil {
			s.ignored = append(s.ignored, ignoredKey{i, err})
		} else {
			s.keys = append(s.keys, k)
		}
		data = rest
	}
}
