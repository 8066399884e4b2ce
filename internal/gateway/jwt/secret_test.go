package jwt

import (
	"bytes"
	"context"
	"encoding/base64"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

const sharedSecret = "a secret of exactly 32 bytes....."

func secretConfig(secret string) *config.JWT {
	cfg := jwtConfig("", "HS256")
	cfg.Secret = secret
	return cfg
}

// With a secret, only tokens that were signed with it and with HS256 are accepted. Their claims are checked, too.
func TestSecret(t *testing.T) {
	var log bytes.Buffer
	v := newVerifier(t, secretConfig(sharedSecret), &Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	secret, header := []byte(sharedSecret), fields{"alg": "HS256", "typ": "JWT"}
	rs, ed := newSigner(t, "rs", "RS256"), newSigner(t, "ed", "EdDSA")
	valid := hs256(t, secret, header, validClaims())
	signed, _ := cutLast(valid)
	checkTokens(t, v, &log, []testCase{
		{"valid", valid, ""},
		{"with a kid", hs256(t, secret, header.with("kid", "any"), validClaims()), ""},
		{"another secret", hs256(t, []byte(sharedSecret+"x"), header, validClaims()), Signature},
		{"empty secret", hs256(t, nil, header, validClaims()), Signature},
		{"without signature", signed + ".", Signature},
		{"HS384 in the header", hs256(t, secret, header.with("alg", "HS384"), validClaims()), Signature},
		{"none in the header", hs256(t, secret, header.with("alg", "none"), validClaims()), Signature},
		{"RS256", rs.valid(t), Signature},
		{"EdDSA", ed.valid(t), Signature},
		{"other claims", swapClaims(t, valid, validClaims().with("sub", "root")), Signature},
		{"expired", hs256(t, secret, header, validClaims().with("exp", time.Now().Add(-time.Hour).Unix())), Expired},
		{"another issuer", hs256(t, secret, header, validClaims().with("iss", "https://other.example/")), WrongAudienceOrIssuer},
		{"another audience", hs256(t, secret, header, validClaims().with("aud", "other")), WrongAudienceOrIssuer},
	})
	if strings.Contains(log.String(), sharedSecret) {
		t.Error("the log has the secret")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := v.Run(ctx); err != nil {
		t.Error(err)
	}
}

// A secret is never combined with public keys, and a short one is refused. No error has the secret.
func TestInvalidSecrets(t *testing.T) {
	file := keyFile(t, jwks(t, newSigner(t, "1", "EdDSA")))
	for name, change := range map[string]func(*config.JWT){
		"short":              func(c *config.JWT) { c.Secret = c.Secret[:31] },
		"with keys":          func(c *config.JWT) { c.Keys = file },
		"with RS256":         func(c *config.JWT) { c.Algorithms = []string{"HS256", "RS256"} },
		"with RS256 alone":   func(c *config.JWT) { c.Algorithms = []string{"RS256"} },
		"with HS512":         func(c *config.JWT) { c.Algorithms = []string{"HS512"} },
		"without algorithms": func(c *config.JWT) { c.Algorithms = nil },
	} {
		cfg := secretConfig(sharedSecret)
		change(cfg)
		_, err := New(cfg, nil)
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), cfg.Secret) {
			t.Errorf("%s: the error has the secret: %v", name, err)
		}
	}
}

// A public key is no secret: a token that is signed with the text of a public key is refused with keys and with a secret.
func TestPublicKeyIsNoSecret(t *testing.T) {
	rs := newSigner(t, "rs", "RS256")
	public := rs.pem(t)
	token := hs256(t, public, fields{"alg": "HS256", "kid": "rs"}, validClaims())
	for name, v := range map[string]*Verifier{
		"keys":   newVerifier(t, jwtConfig(keyFile(t, public), "RS256"), nil),
		"secret": newVerifier(t, secretConfig(sharedSecret), nil),
	} {
		if got := reasonOf(t, v, token); got != Signature {
			t.Errorf("%s: %q", name, got)
		}
	}
	oct := fields{"kty": "oct", "alg": "HS256", "k": base64.RawURLEncoding.EncodeToString([]byte(sharedSecret))}
	v := newVerifier(t, jwtConfig(keyFile(t, jwks(t, rs, oct)), "RS256"), nil)
	if got := reasonOf(t, v, hs256(t, []byte(sharedSecret), fields{"alg": "HS256"}, validClaims())); got != Signature {
		t.Errorf("a shared key of a set is used: %q", got)
	}
}
