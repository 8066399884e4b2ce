package jwt

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

const (
	issuer   = "https://issuer.example/"
	audience = "shop"
)

// fields is a JSON object that a test writes.
type fields map[string]any

// with is a copy in which names, in pairs with values, are others; nil leaves one out.
func (f fields) with(pairs ...any) fields {
	c := fields{}
	for name, v := range f {
		c[name] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		if name := pairs[i].(string); pairs[i+1] == nil {
			delete(c, name)
		} else {
			c[name] = pairs[i+1]
		}
	}
	return c
}

// signer is a private key of an issuer.
type signer struct {
	kid       string
	algorithm string
	private   crypto.Signer
}

// made keeps the keys of all tests. Those of RSA are one, which takes long to make.
var (
	made   sync.Map
	rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
)

func newSigner(t testing.TB, kid, algorithm string) *signer {
	t.Helper()
	if s, ok := made.Load(kid + " " + algorithm); ok {
		return s.(*signer)
	}
	s := &signer{kid: kid, algorithm: algorithm, private: newPrivate(t, algorithm)}
	made.Store(kid+" "+algorithm, s)
	return s
}

func newPrivate(t testing.TB, algorithm string) (k crypto.Signer) {
	t.Helper()
	var err error
	switch algorithm {
	case "EdDSA":
		_, k, err = ed25519.GenerateKey(rand.Reader)
	case "ES256":
		k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		k, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		k, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	default:
		k, err = rsaKey()
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// token signs a header and claims, which are JSON texts or fields.
func (s *signer) token(t testing.TB, header, claims any) string {
	t.Helper()
	signed := encode(t, header) + "." + encode(t, claims)
	signature, err := methods[s.algorithm].Sign(signed, s.private)
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func (s *signer) header() fields { return fields{"alg": s.algorithm, "kid": s.kid, "typ": "JWT"} }

// good is a token that holds.
func (s *signer) good(t testing.TB) string { return s.token(t, s.header(), goodClaims()) }

func goodClaims() fields {
	now := time.Now()
	return fields{"iss": issuer, "aud": audience, "sub": "alice", "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix()}
}

func encode(t testing.TB, v any) string {
	t.Helper()
	text, isText := v.(string)
	if !isText {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// jwk is the public key as a member of a JWKS.
func (s *signer) jwk() fields {
	f := fields{"kid": s.kid, "use": "sig", "alg": s.algorithm}
	b64 := base64.RawURLEncoding.EncodeToString
	switch k := s.private.Public().(type) {
	case ed25519.PublicKey:
		return f.with("kty", "OKP", "crv", "Ed25519", "x", b64(k))
	case *rsa.PublicKey:
		return f.with("kty", "RSA", "n", b64(k.N.Bytes()), "e", "AQAB")
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			panic(err)
		}
		half := (len(point) - 1) / 2
		return f.with("kty", "EC", "crv", k.Params().Name, "x", b64(point[1:1+half]), "y", b64(point[1+half:]))
	}
	panic("no such key")
}

func (s *signer) pem(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(s.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// jwks is a set of keys, each a signer or fields.
func jwks(t testing.TB, keys ...any) []byte {
	t.Helper()
	list := []any{}
	for _, k := range keys {
		if s, isSigner := k.(*signer); isSigner {
			k = s.jwk()
		}
		list = append(list, k)
	}
	b, err := json.Marshal(fields{"keys": list})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func keyFile(t testing.TB, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// accept is a configuration with the defaults of the file.
func accept(keys string, algorithms ...string) *config.JWT {
	return &config.JWT{Algorithms: algorithms, Keys: keys, Issuer: issuer, Audience: []string{audience},
		Leeway: 30 * time.Second, Refresh: 5 * time.Minute, Refetch: 30 * time.Second}
}

func verifier(t testing.TB, cfg *config.JWT, o *Options) *Verifier {
	t.Helper()
	v, err := New(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// reasonOf is why a token is refused; "" for one that is accepted.
func reasonOf(t testing.TB, v *Verifier, token string) Reason {
	t.Helper()
	_, err := v.Verify(context.Background(), token)
	if err == nil {
		return ""
	}
	return err.(*Refusal).Reason
}

func rewrite(t testing.TB, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
