package shop

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestForgedTokensAreRefused(t *testing.T) {
	state := OpenMemory()
	node := startShop(t, state, Options{})
	_, strange, _ := ed25519.GenerateKey(nil)
	public := state.Key.Public().(ed25519.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})

	good := func() jwt.MapClaims {
		return jwt.MapClaims{"iss": issuer, "aud": audience, "sub": "1", "role": adminRole, "exp": time.Now().Add(time.Hour).Unix()}
	}
	with := func(name string, value any) jwt.MapClaims {
		c := good()
		c[name] = value
		if value == nil {
			delete(c, name)
		}
		return c
	}
	sign := func(method jwt.SigningMethod, c jwt.Claims, key any) string {
		token, err := jwt.NewWithClaims(method, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	genuine := sign(jwt.SigningMethodEdDSA, good(), state.Key)
	header, rest, _ := strings.Cut(genuine, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	otherPayload := strings.Split(sign(jwt.SigningMethodEdDSA, with("sub", "2"), strange), ".")[1]

	cases := []struct{ name, token string }{
		{"none", sign(jwt.SigningMethodNone, good(), jwt.UnsafeAllowNoneSignatureType)},
		{"HS256 with the public key", sign(jwt.SigningMethodHS256, good(), []byte(public))},
		{"HS256 with the public key as PEM", sign(jwt.SigningMethodHS256, good(), publicPEM)},
		{"another key", sign(jwt.SigningMethodEdDSA, good(), strange)},
		{"expired", sign(jwt.SigningMethodEdDSA, with("exp", time.Now().Add(-time.Minute).Unix()), state.Key)},
		{"without expiry", sign(jwt.SigningMethodEdDSA, with("exp", nil), state.Key)},
		{"not yet valid", sign(jwt.SigningMethodEdDSA, with("nbf", time.Now().Add(time.Hour).Unix()), state.Key)},
		{"wrong audience", sign(jwt.SigningMethodEdDSA, with("aud", "bank"), state.Key)},
		{"without audience", sign(jwt.SigningMethodEdDSA, with("aud", nil), state.Key)},
		{"wrong issuer", sign(jwt.SigningMethodEdDSA, with("iss", "bank"), state.Key)},
		{"without subject", sign(jwt.SigningMethodEdDSA, with("sub", nil), state.Key)},
		{"changed payload", header + "." + otherPayload + "." + signature},
		{"without signature", header + "." + payload + "."},
		{"cut short", genuine[:len(genuine)-10]},
		{"empty", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := visit(t, node)
			a := v.want(http.StatusUnauthorized, nil, "GET", "/api/orders", "", "Authorization: Bearer "+c.token)
			if a.header.Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
			if c.token != "" { // the same in a cookie
				v.want(http.StatusUnauthorized, nil, "GET", "/api/orders", "", "Cookie: "+loginCookie+"="+c.token)
			}
		})
	}
	visit(t, node).want(http.StatusOK, nil, "GET", "/api/orders", "", "Authorization: bearer "+genuine)
	visit(t, node).want(http.StatusUnauthorized, nil, "GET", "/api/orders", "", "Authorization: Basic "+genuine)
}

func TestKeyFile(t *testing.T) {
	write := func(name string, block *pem.Block) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	_, key, _ := ed25519.GenerateKey(nil)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := readKey(write("good.pem", &pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil || !got.Equal(key) {
		t.Errorf("got %v, %v", got, err)
	}
	for name, file := range map[string]string{
		"missing":    filepath.Join(t.TempDir(), "missing.pem"),
		"other type": write("public.pem", &pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"broken":     write("broken.pem", &pem.Block{Type: "PRIVATE KEY", Bytes: der[1:]}),
	} {
		if _, err := readKey(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
