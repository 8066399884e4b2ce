package shop

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// tokens signs and verifies logins: JWTs with EdDSA, which any node with the key can verify without a store.
type tokens struct {
	key    ed25519.PrivateKey
	ttl    time.Duration
	parser *jwt.Parser
}

// customer is a user who is logged in.
type customer struct {
	ID    string
	Name  string
	Admin bool
}

const (
	issuer    = "shop"
	audience  = "shop"
	adminRole = "admin"
)

type claims struct {
	jwt.RegisteredClaims
	Name string `json:"name"`
	Role string `json:"role,omitempty"`
}

func newTokens(key ed25519.PrivateKey, ttl time.Duration) *tokens {
	return &tokens{key: key, ttl: ttl, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), // never the algorithm that the token names
		jwt.WithIssuer(issuer),
		jwt.WithAudience(audience),
		jwt.WithExpirationRequired(),
	)}
}

func (t *tokens) sign(u User) (string, error) {
	now := time.Now()
	c := claims{Name: u.Name, RegisteredClaims: jwt.RegisteredClaims{
		Issuer:    issuer,
		Audience:  jwt.ClaimStrings{audience},
		Subject:   u.ID,
		IssuedAt:  jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(now.Add(t.ttl)),
	}}
	if u.Admin {
		c.Role = adminRole
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, c).SignedString(t.key)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return token, nil
}

func (t *tokens) verify(token string) (*customer, error) {
	var c claims
	_, err := t.parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return t.key.Public(), nil })
	if err == nil && c.Subject == "" {
		err = errors.New("token has no subject")
	}
	if err != nil {
		return nil, err
	}
	return &customer{ID: c.Subject, Name: c.Name, Admin: c.Role == adminRole}, nil
}

// readKey reads an Ed25519 key from a PEM file, as "openssl genpkey -algorithm ed25519" writes it.
func readKey(file string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	block, _ := pem.Decode(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))) // some editors write a byte order mark
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("read key %q: not a PEM private key", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read key %q: %w", file, err)
	}
	ed, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read key %q: %T is not an Ed25519 key", file, key)
	}
	return ed, nil
}
