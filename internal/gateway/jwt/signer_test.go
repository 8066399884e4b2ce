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

// with returns a copy with other values. pairs are names and values; the value nil removes a name.
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

// signer is a private key of the issuer.
type signer struct {
	kid       string
	algorithm string
	private   crypto.Signer
}

// signers caches the keys of all tests. All RSA signers share one key, because it takes long to generate.
var (
	signers sync.Map
	rsaKey  = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
)

func newSigner(t testing.TB, kid, algorithm string) *signer {
	t.Helper()
	if s, ok := signers.Load(kid + " " + algorithm); ok {
		return s.(*signer)
	}
	s := &signer{kid: kid, algorithm: algorithm, private: newPrivate(t, algorithm)}
	signers.Store(kid+" "+algorithm, s)
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

// token signs a header and claims. Each is a JSON text or fields.
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

// valid returns a valid token.
func (s *signer) valid(t testing.TB) string { return s.token(t, s.header(), validClaims()) }

func validClaims() fields {
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

// jwk returns the public key as an element of a JWKS.
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
		size := (len(point) - 1) / 2
		return f.with("kty", "EC", "crv", k.Params().Name, "x", b64(point[1:1+size]), "y", b64(point[1+size:]))
	}
	panic("unknown key type")
}

func (s *signer) pem(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(s.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// jwks returns a set of keys, each a signer or fields.
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

// jwtConfig returns a configuration with the defaults of tenfold.yaml.
func jwtConfig(keys string, algorithms ...string) *config.JWT {
	return &config.JWT{Algorithms: algorithms, Keys: keys, Issuer: issuer, Audience: []string{audience},
		Leeway: 30 * time.Second, Refresh: 5 * time.Minute, Refetch: 30 * time.Second}
}

// newVerifier returns a Verifier, or fails the test.
func newVerifier(t testing.TB, cfg *config.JWT, o *Options) *Verifier {
	t.Helper()
	v, err := New(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// reasonOf returns why a token is refused, or "" for an accepted token.
func reasonOf(t testing.TB, v *Verifier, token string) Reason {
	t.Helper()
	_, err := v.Verify(context.Background(), token)
	if err == nil {
		return ""
	}
	return err.(*Refusal).Reason
}

func writeFile(t testing.TB, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
