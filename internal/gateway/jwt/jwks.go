package jwt

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

const maxKeys = 100 // in one set

// errSecret marks a key that must never be in a set of public keys: every reader of the set could sign tokens with it.
var errSecret = errors.New("is a private key or a shared secret")

// readJWKS reads a set of keys (RFC 7517). It ignores unusable keys, as section 5 requires.
func readJWKS(data []byte, accepted []string) (*keySet, error) {
	set, err := parseObject(data)
	if err != nil {
		return nil, err
	}
	list, isList := set["keys"].([]any)
	if !isList {
		return nil, errors.New(`is not a JWKS: the member "keys" is not a list`)
	}
	if len(list) > maxKeys {
		return nil, fmt.Errorf("has %d keys: at most %d are accepted", len(list), maxKeys)
	}
	s := &keySet{}
	for i, item := range list {
		fields, isObject := item.(map[string]any)
		if !isObject {
			s.ignored = append(s.ignored, ignoredKey{i, errors.New("is not an object")})
			continue
		}
		if k, err := readJWK(fields, accepted); err != nil {
			s.ignored = append(s.ignored, ignoredKey{i, err})
		} else {
			s.keys = append(s.keys, k)
		}
	}
	return s, nil
}

// jwk holds the members of one key.
type jwk map[string]any

func readJWK(fields jwk, accepted []string) (k key, err error) {
	kty, _, err := fields.str("kty")
	if err != nil {
		return k, err
	}
	if kty == "oct" || fields.hasAny("k", "d", "p", "q", "dp", "dq", "qi", "oth", "priv") {
		return k, errSecret
	}
	if err := fields.checkUse(); err != nil {
		return k, err
	}
	id, _, err := fields.str("kid")
	if err != nil {
		return k, err
	}
	named, has, err := fields.str("alg")
	if err != nil || has && !slices.Contains(accepted, named) {
		return k, errors.Join(err, errNoAlgorithm)
	}
	public, err := fields.public(kty)
	if err != nil {
		return k, err
	}
	return newKey(id, named, public, accepted)
}

// checkUse checks that the key may verify signatures (RFC 7517, sections 4.2 and 4.3).
func (f jwk) checkUse() error {
	use, has, err := f.str("use")
	if err != nil || has && use != "sig" {
		return errors.Join(err, errors.New(`is not for signatures: its use is not "sig"`))
	}
	if operations, has := f["key_ops"]; has {
		list, _ := operations.([]any)
		if !slices.Contains(list, any("verify")) {
			return errors.New(`is not for signatures: its key_ops do not contain "verify"`)
		}
	}
	return nil
}

// public returns the public key (RFC 7518, section 6; RFC 8037).
func (f jwk) public(kty string) (any, error) {
	switch kty {
	case "RSA":
		return f.rsa()
	case "EC":
		return f.ec()
	case "OKP":
		return f.okp()
	}
	return nil, errors.New("has an unknown kty")
}

func (f jwk) rsa() (any, error) {
	n, err1 := f.bytes("n")
	e, err2 := f.bytes("e")
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	exponent := new(big.Int).SetBytes(e)
	if exponent.BitLen() > 31 {
		return nil, errors.New("has an exponent that is too large")
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())}, nil
}

var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

func (f jwk) ec() (any, error) {
	crv, _, err0 := f.str("crv")
	x, err1 := f.bytes("x")
	y, err2 := f.bytes("y")
	if err := errors.Join(err0, err1, err2); err != nil {
		return nil, err
	}
	curve := curves[crv]
	if curve == nil {
		return nil, errors.New("has an unknown curve")
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(x) != size || len(y) != size { // leading zeros are part of a coordinate: RFC 7518, section 6.2.1.2
		return nil, errors.New("has a coordinate of the wrong length")
	}
	k, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, errors.New("is not a point on its curve")
	}
	return k, nil
}

func (f jwk) okp() (any, error) {
	crv, _, err0 := f.str("crv")
	x, err1 := f.bytes("x")
	if err := errors.Join(err0, err1); err != nil {
		return nil, err
	}
	if crv != "Ed25519" || len(x) != ed25519.PublicKeySize {
		return nil, errors.New("is not an Ed25519 key of 32 bytes")
	}
	return ed25519.PublicKey(x), nil
}

func (f jwk) hasAny(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { _, has := f[name]; return has })
}

func (f jwk) str(name string) (s string, has bool, err error) {
	v, has := f[name]
	if !has {
		return "", false, nil
	}
	s, isString := v.(string)
	if !isString {
		return "", true, fmt.Errorf("has a member %q that is not a string", name)
	}
	return s, true, nil
}

func (f jwk) bytes(name string) ([]byte, error) {
	s, has, err := f.str(name)
	if err != nil {
		return nil, err
	}
	b, ok := decode(s)
	switch {
	case has && ok && len(b) > 0:
		return b, nil
	case strings.HasSuffix(s, "="):
		return nil, fmt.Errorf("has no %s in base64url: it is padded with =", name)
	}
	return nil, fmt.Errorf("has no %s in base64url", name)
}
