package jwt

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/tenfold-go/tenfold/internal/usertext"
)

// keySet is the set of keys that one refresh has read. Its keys do not change.
type keySet struct {
	keys     []key
	ignored  []ignoredKey
	verified tokenCache
}

// ignoredKey is a key that the gateway does not use.
type ignoredKey struct {
	index int // in its set
	err   error
}

func (s *keySet) equal(o *keySet) bool {
	return reflect.DeepEqual(s.keys, o.keys) && reflect.DeepEqual(s.ignored, o.ignored)
}

// readSet reads a JWKS or public keys in PEM. It ignores keys that the gateway cannot use. It fails if data does not
// say unambiguously which keys the issuer has.
func readSet(data []byte, accepted []string) (*keySet, error) {
	data, err := usertext.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("is not UTF-8 text: %w", err)
	}
	read := readPEM
	if bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		read = readJWKS
	}
	s, err := read(data, accepted)
	if err != nil {
		return nil, err
	}
	for i := range s.keys {
		for j := range i {
			if a, b := &s.keys[i], &s.keys[j]; a.id == b.id && slices.ContainsFunc(a.algorithms, b.supports) {
				return nil, duplicateError(a.id)
			}
		}
	}
	return s, nil
}

func duplicateError(id string) error {
	if id == "" {
		return errors.New("has two keys without a kid for the same algorithm, so that a token cannot select one")
	}
	return fmt.Errorf("has two keys with the kid %q for the same algorithm", id)
}

// find returns the key of a token. For a token with a kid it is the key with that kid, or else the only key without a
// kid that supports the algorithm. For a token without kid it is the only key that supports the algorithm.
func (s *keySet) find(kid, algorithm string) (public any, refusal *Refusal) {
	sameID, matching := false, 0
	for i := range s.keys {
		k := &s.keys[i]
		if kid != "" && k.id == kid {
			if k.supports(algorithm) {
				return k.public, nil
			}
			sameID = true
		}
		if k.supports(algorithm) && (kid == "" || k.id == "") {
			public = k.public
			matching++
		}
	}
	switch {
	case sameID:
		return nil, errOtherKey
	case matching == 0:
		return nil, errUnknownKey
	case matching > 1:
		return nil, errAmbiguousKey
	}
	return public, nil
}

// noKeyError is the error for a set without any usable key.
func (s *keySet) noKeyError() error {
	switch n := len(s.ignored); n {
	case 0:
		return errors.New("has no keys")
	case 1:
		return fmt.Errorf("has no usable key: keys[0] %w", s.ignored[0].err)
	default:
		return fmt.Errorf("has no usable key: keys[0] %w; %d more keys are not usable either", s.ignored[0].err, n-1)
	}
}
