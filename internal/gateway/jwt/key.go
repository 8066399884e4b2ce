package jwt

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // for ES256, RS256 and PS256
	_ "crypto/sha512" // for the other algorithms
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// methods verify the signatures of each algorithm.
var methods = map[string]jwt.SigningMethod{
	"EdDSA": jwt.SigningMethodEdDSA,
	"ES256": jwt.SigningMethodES256, "ES384": jwt.SigningMethodES384, "ES512": jwt.SigningMethodES512,
	"RS256": jwt.SigningMethodRS256, "RS384": jwt.SigningMethodRS384, "RS512": jwt.SigningMethodRS512,
	"PS256": jwt.SigningMethodPS256, "PS384": jwt.SigningMethodPS384, "PS512": jwt.SigningMethodPS512,
	hmacAlgorithm: jwt.SigningMethodHS256,
}

// hmacAlgorithm is the algorithm for a shared secret. It is never accepted together with another one. No key of a set
// matches it, so that a public key never serves as a secret.
const hmacAlgorithm = "HS256"

// minSecret is the least length of a secret in bytes (RFC 7518, section 3.2).
const minSecret = 32

// secretSet returns the set whose only key is the secret.
func secretSet(secret string) *keySet {
	return &keySet{keys: []key{{algorithms: []string{hmacAlgorithm}, public: []byte(secret)}}}
}

// key is a public key and the accepted algorithms that it may verify: all of its type, or only the one that its set
// names.
type key struct {
	id         string // the kid; "" without one
	algorithms []string
	public     any // ed25519.PublicKey, *ecdsa.PublicKey or *rsa.PublicKey; []byte for a secret
}

func (k *key) supports(algorithm string) bool { return slices.Contains(k.algorithms, algorithm) }

// newKey checks a public key of any type. named is the algorithm that its set names for it; "" without one.
func newKey(id, named string, public any, accepted []string) (k key, err error) {
	k = key{id: id, public: public}
	for _, a := range accepted {
		if matchesType(public, a) && (named == "" || named == a) {
			k.algorithms = append(k.algorithms, a)
		}
	}
	if len(k.algorithms) == 0 {
		return k, errNoAlgorithm
	}
	if r, isRSA := public.(*rsa.PublicKey); isRSA {
		return k, checkRSA(r)
	}
	return k, nil
}

var errNoAlgorithm = errors.New("does not match any accepted algorithm")

// matchesType reports whether an algorithm uses keys of this type. golang-jwt alone accepts any curve for any ES
// algorithm.
func matchesType(public any, algorithm string) bool {
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

// checkRSA checks the minimum of RFC 7518, section 3.3, and a maximum that bounds the cost of verifying a signature.
func checkRSA(k *rsa.PublicKey) error {
	switch bits := k.N.BitLen(); {
	case bits < 2048:
		return fmt.Errorf("has %d bits: at least 2048 are required", bits)
	case bits > 8192:
		return fmt.Errorf("has %d bits: at most 8192 are accepted", bits)
	case k.E < 3 || k.E%2 == 0 || k.N.Bit(0) == 0:
		return errors.New("is not a valid RSA key: its modulus or exponent is even, or its exponent is too small")
	}
	return nil
}
