package jwt

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// FuzzToken checks that arbitrary tokens are refused without a panic, and that a well-formed token has only one
// encoding.
func FuzzToken(f *testing.F) {
	s := newSigner(f, "1", "EdDSA")
	v := newVerifier(f, jwtConfig(keyFile(f, jwks(f, s)), "EdDSA"), nil)
	f.Add("")
	f.Add("..")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("eyJhbGciOiJFZERTQSIsImtpZCI6IjEifQ.e30.AA")
	f.Add("eyJhbGciOiJFZERTQSJ9\n.e30.AA==")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := v.Verify(context.Background(), token); err == nil {
			t.Errorf("%q is accepted", token)
		}
		parsed, refusal := parse(token)
		if refusal != nil {
			return
		}
		part := strings.Split(token, ".")
		header, err := base64.RawURLEncoding.DecodeString(part[0])
		encode := base64.RawURLEncoding.EncodeToString
		if err != nil || len(part) != 3 || encode(header) != part[0] || encode(parsed.signature) != part[2] || parsed.signed != part[0]+"."+part[1] {
			t.Errorf("%q parsed as %+v", token, parsed)
		}
		if !json.Valid(header) {
			t.Errorf("header %q is not valid JSON", header)
		}
	})
}

// FuzzSigned compares the Verifier with golang-jwt's parser, for an issuer that signs any content: the parser accepts
// each token that the Verifier accepts, with the same subject.
func FuzzSigned(f *testing.F) {
	s := newSigner(f, "1", "EdDSA")
	v := newVerifier(f, jwtConfig(keyFile(f, jwks(f, s)), "EdDSA"), nil)
	reference := jwt.NewParser(jwt.WithValidMethods([]string{"EdDSA"}), jwt.WithStrictDecoding(), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithLeeway(time.Minute))
	header, err := json.Marshal(s.header())
	if err != nil {
		f.Fatal(err)
	}
	const body = `{"iss":"` + issuer + `","aud":["x","shop"],"exp":4102444800.5`
	f.Add(string(header), body+`}`)
	f.Add(`{"alg":"EdDSA"}`, body+`,"sub":"alice","nbf":0,"iat":1e3}`)
	f.Add(`{"alg":"EdDSA","alg":"none"}`, body+`,"exp":1}`)
	f.Add(`{"alg":"EdDSA","crit":["x"]}`, body+`,"a":{"b":[{"c":null},true,"\u0000\ud83d\ude00"]}}`)
	f.Add(`{"alg":"EdDSA","typ":"AT+jwt"} `, body+`,"sub":"\ud800","\u0073ub":"x"}`)
	f.Fuzz(func(t *testing.T, header, claims string) {
		token := s.token(t, header, claims)
		subject, err := v.Verify(context.Background(), token)
		if err != nil {
			return
		}
		parsed, err := reference.Parse(token, func(*jwt.Token) (any, error) { return s.private.Public(), nil })
		if err != nil {
			t.Fatalf("accepted, but golang-jwt rejects it: %v\n%q %q", err, header, claims)
		}
		sub, err := parsed.Claims.GetSubject()
		if err != nil || sub != "" && subject != issuer+"\x00"+sub || sub == "" && subject != "" {
			t.Fatalf("subject %q, but %q in golang-jwt (%v)", subject, sub, err)
		}
	})
}

// FuzzKeys checks that arbitrary data yields only usable keys that tokens can select.
func FuzzKeys(f *testing.F) {
	accepted := []string{"EdDSA", "ES256", "ES384", "ES512", "RS256", "PS512"}
	var all []any
	for _, a := range accepted {
		s := newSigner(f, a, a)
		f.Add(jwks(f, s))
		f.Add(s.pem(f))
		all = append(all, s)
	}
	f.Add(jwks(f, all...))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AA"},{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}]}`))
	f.Add([]byte(`{"keys":[],"keys":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := readSet(data, accepted)
		if err != nil {
			return
		}
		if len(set.keys)+len(set.ignored) > maxKeys {
			t.Errorf("%d keys", len(set.keys)+len(set.ignored))
		}
		for _, k := range set.keys {
			if len(k.algorithms) == 0 {
				t.Errorf("%q has no algorithm", k.id)
			}
			if r, isRSA := k.public.(*rsa.PublicKey); isRSA && (r.N.BitLen() < 2048 || r.E < 3) {
				t.Errorf("%q is weak: %+v", k.id, r)
			}
			for _, a := range k.algorithms {
				if public, refusal := set.find(k.id, a); k.id != "" && !reflect.DeepEqual(public, k.public) {
					t.Errorf("find(%q, %s) returned another key: %v", k.id, a, refusal)
				}
			}
		}
	})
}
