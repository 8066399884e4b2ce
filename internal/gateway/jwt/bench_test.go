package jwt

import (
	"context"
	"testing"
)

// BenchmarkVerify measures the first verification of a token and a repeated one:
// go test -run '^$' -bench Verify -benchmem ./internal/gateway/jwt
func BenchmarkVerify(b *testing.B) {
	for _, algorithm := range []string{"EdDSA", "ES256", "ES384", "ES512", "RS256", "PS256"} {
		s := newSigner(b, "1", algorithm)
		v := newVerifier(b, jwtConfig(keyFile(b, jwks(b, s)), algorithm), nil)
		token := s.valid(b)
		b.Run(algorithm+"/first", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, refusal := v.checkToken(context.Background(), token); refusal != nil {
					b.Fatal(refusal)
				}
			}
		})
		b.Run(algorithm+"/again", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(context.Background(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
