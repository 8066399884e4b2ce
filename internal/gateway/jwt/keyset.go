package jwt

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // for ES256, RS256 and PS256
	_ "crypto/sha512" // for the others
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// methods check the signatures of each algorithm.
var methods = map[string]jwt.SigningMethod{
	"EdDSA": jwt.SigningMethodEdDSA,
	"ES256": jwt.SigningMethodES256, "ES384": jwt.SigningMethodES384, "ES512": jwt.SigningMethodES512,
	"RS256": jwt.SigningMethodRS256, "RS384": jwt.SigningMethodRS384, "RS512": jwt.SigningMethodRS512,
	"PS256": jwt.SigningMethodPS256, "PS384": jwt.SigningMethodPS384, "PS512": jwt.SigningMethodPS512,
}

// fits tells whether an algorithm is one of the key's kind. golang-jwt would take any curve for any ES.
func fits(public any, algorithm string) bool {
	switch k := public.(type) {
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	case *ecdsa.PublicKey:
		return algorithm == map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}[k.Params().Name]
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	}
	return false
}

// key is a public key with what it may be used for: the accepted algorithms of its kind, or the one that it names itself.
type key struct {
	id         string // "" for none
	algorithms []string
	public     any // ed25519.PublicKey, *ecdsa.PublicKey or *rsa.PublicKey
}

func (k *key) serves(algorithm string) bool { return slices.Contains(k.algorithms, algorithm) }

// newKey checks a public key of whatever kind. named is the algorithm that its set gives it; "" for none.
func newKey(id, named string, public any, accepted []string) (k key, err error) {
	k = key{id: id, public: public}
	for _, a := range accepted {
		if fits(public, a) && (named == "" || named == a) {
			k.algorithms = append(k.algorithms, a)
		}
	}
	if len(k.algorithms) == 0 {
		return k, errors.New("is for no algorithm that is accepted")
	}
	if r, isRSA := public.(*rsa.PublicKey); isRSA {
		return k, checkRSA(r)
	}
	return k, nil
}

// checkRSA wants what RFC 7518, section 3.3, asks for, and no more than a signature may cost to check.
func checkRSA(k *rsa.PublicKey) error {
	switch bits := k.N.BitLen(); {
	case bits < 2048:
		return fmt.Errorf("has %d bits: at least 2048 are needed", bits)
	case bits > 8192:
		return fmt.Errorf("has %d bits: at most 8192 are accepted", bits)
	case k.E < 3 || k.E%2 == 0 || k.N.Bit(0) == 0:
		return errors.New("is no RSA key: its modulus or exponent is even, or too small")
	}
	return nil
}

// ignored is a key that is not used, and why.
type ignored struct {
	index int // in its set
	why   error
}

// keySet is the keys as they were read at one time. They do not change.
type keySet struct {
	keys       []key
	ignored    []ignored
	remembered remembered
}

func (s *keySet) equal(o *keySet) bool {
	return reflect.DeepEqual(s.keys, o.keys) && reflect.DeepEqual(s.ignored, o.ignored)
}

// readSet reads a JWKS or PEM public keys. An error means that the whole does not say clearly what the issuer's keys are; a
// key that is only of no use to us is ignored.
func readSet(data []byte, accepted []string) (*keySet, error) {
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
			if a, b := &s.keys[i], &s.keys[j]; a.id == b.id && slices.ContainsFunc(a.algorithms, b.serves) {
				return nil, twinsError(a.id)
			}
		}
	}
	return s, nil
}

func twinsError(id string) error {
	if id == "" {
		return errors.New("has two keys without a kid for the same algorithm: no token could say which it means")
	}
	return fmt.Errorf("has two keys with the kid %q for the same algorithm", id)
}

// find chooses the key of a token: the one that has its kid; if none has, the one without a kid; for a token that names
// none, the only one that fits its algorithm.
func (s *keySet) find(kid, algorithm string) (public any, refusal *Refusal) {
	named, fitting := false, 0
	for i := range s.keys {
		k := &s.keys[i]
		if kid != "" && k.id == kid {
			if k.serves(algorithm) {
				return k.public, nil
			}
			named = true
		}
		if k.serves(algorithm) && (kid == "" || k.id == "") {
			public = k.public
			fitting++
		}
	}
	switch {
	case named:
		return nil, errOtherKey
	case fitting == 0:
		return nil, errUnknownKey
	case fitting > 1:
		return nil, errWhichKey
	}
	return public, nil
}

// unusable is the error of a set that has no key for us.
func (s *keySet) unusable() error {
	switch n := len(s.ignored); n {
	case 0:
		return errors.New("has no keys")
	case 1:
		return fmt.Errorf("has no key that can be used: keys[0] %w", s.ignored[0].why)
	default:
		return fmt.Errorf("has no key that can be used: keys[0] %w; nor can the %d others", s.ignored[0].why, n-1)
	}
}
