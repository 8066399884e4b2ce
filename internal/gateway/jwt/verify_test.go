package jwt

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// testCase is a token and the reason why it is refused; "" for a valid token.
type testCase struct {
	name  string
	token string
	want  Reason
}

// checkTokens verifies each token twice, because a cached result must be the same. It also checks that neither the
// error nor the log contains any part of a token.
func checkTokens(t *testing.T, v *Verifier, log *bytes.Buffer, table []testCase) {
	t.Helper()
	for _, c := range table {
		for range 2 {
			subject, err := v.Verify(context.Background(), c.token)
			got := Reason("")
			if err != nil {
				got = err.(*Refusal).Reason
				for part := range strings.SplitSeq(c.token, ".") {
					if len(part) > 8 && (strings.Contains(err.Error(), part) || strings.Contains(log.String(), part)) {
						t.Errorf("%s: the error or the log contains a part of the token", c.name)
					}
				}
			}
			if got != c.want {
				t.Errorf("%s: got reason %q (%v), want %q", c.name, got, err, c.want)
			}
			if err != nil && subject != "" {
				t.Errorf("%s: refused, but with the subject %q", c.name, subject)
			}
		}
	}
}

func hs256(t *testing.T, secret []byte, header, claims any) string {
	signed := encode(t, header) + "." + encode(t, claims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// The signature must be made with a key of the issuer, and with the algorithm of that key.
func TestSignatures(t *testing.T) {
	ed, ec, rs := newSigner(t, "ed", "EdDSA"), newSigner(t, "ec", "ES256"), newSigner(t, "rs", "RS256")
	otherKey := &signer{"ed", "EdDSA", newPrivate(t, "EdDSA")}
	var log bytes.Buffer
	v := newVerifier(t, jwtConfig(keyFile(t, jwks(t, ed, ec, rs)), "EdDSA", "ES256", "RS256"), &Options{Log: slog.New(slog.NewTextHandler(&log, nil))})

	public := ed.private.Public().(ed25519.PublicKey)
	jwkText, err := json.Marshal(ed.jwk())
	if err != nil {
		t.Fatal(err)
	}
	hs := fields{"alg": "HS256", "kid": "ed"}
	edSigned := ed.valid(t)
	body, _ := cutLast(edSigned)
	unsigned := func(alg string) string {
		return encode(t, fields{"alg": alg, "kid": "ed"}) + "." + encode(t, validClaims()) + "."
	}
	checkTokens(t, v, &log, []testCase{
		{"EdDSA", ed.valid(t), ""},
		{"ES256", ec.valid(t), ""},
		{"RS256", rs.valid(t), ""},
		{"no kid, one key of that type", ed.token(t, ed.header().with("kid", nil), validClaims()), ""},
		{"an empty kid is like no kid", ed.token(t, ed.header().with("kid", ""), validClaims()), ""},
		{"a key in the header is ignored", ed.token(t, ed.header().with("jwk", otherKey.jwk(), "jku", "https://evil.example/"), validClaims()), ""},

		{"none", unsigned("none"), Signature},
		{"None", unsigned("None"), Signature},
		{"none with a signature", ed.token(t, fields{"alg": "none"}, validClaims()), Signature},
		{"no signature", body + ".", Signature},
		{"HS256 with the public key", hs256(t, public, hs, validClaims()), Signature},
		{"HS256 with the public key in PEM", hs256(t, ed.pem(t), hs, validClaims()), Signature},
		{"HS256 with the public RSA key in PEM", hs256(t, rs.pem(t), hs.with("kid", "rs"), validClaims()), Signature},
		{"HS256 with the public key as JWK", hs256(t, jwkText, hs, validClaims()), Signature},
		{"an HMAC called EdDSA", hs256(t, public, ed.header(), validClaims()), Signature},
		{"an algorithm that is not accepted", rs.token(t, rs.header().with("alg", "PS256"), validClaims()), Signature},
		{"eddsa", ed.token(t, ed.header().with("alg", "eddsa"), validClaims()), Signature},
		{"the algorithm of another key", ed.token(t, ed.header().with("alg", "RS256"), validClaims()), Signature},
		{"the kid of another key", ed.token(t, ed.header().with("kid", "ec"), validClaims()), Signature},
		{"an unknown kid", ed.token(t, ed.header().with("kid", "x"), validClaims()), Signature},
		{"another key with the same kid", otherKey.valid(t), Signature},
		{"another key in the header", otherKey.token(t, otherKey.header().with("jwk", otherKey.jwk()), validClaims()), Signature},
		{"changed claims", swapClaims(t, edSigned, validClaims().with("sub", "mallory")), Signature},
		{"a longer signature", edSigned + "AAAA", Signature},
	})
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("the log has more than the loaded keys:\n%s", log.String())
	}
}

func cutLast(token string) (signed, signature string) {
	i := strings.LastIndexByte(token, '.')
	return token[:i], token[i+1:]
}

func swapClaims(t *testing.T, token string, claims any) string {
	part := strings.Split(token, ".")
	return part[0] + "." + encode(t, claims) + "." + part[2]
}

// A token without a kid is verified only if exactly one key matches its algorithm.
func TestTokenWithoutKidAndSeveralKeys(t *testing.T) {
	a, b := newSigner(t, "a", "EdDSA"), newSigner(t, "b", "EdDSA")
	v := newVerifier(t, jwtConfig(keyFile(t, jwks(t, a, b)), "EdDSA"), nil)
	checkTokens(t, v, &bytes.Buffer{}, []testCase{
		{"a", a.valid(t), ""},
		{"b", b.valid(t), ""},
		{"no kid, a's", a.token(t, a.header().with("kid", nil), validClaims()), Signature},
		{"no kid, b's", b.token(t, b.header().with("kid", nil), validClaims()), Signature},
	})
}

// If the set has a key with the token's kid, only that key counts.
func TestKidOfAnotherKey(t *testing.T) {
	ed, ec := newSigner(t, "ed", "EdDSA"), newSigner(t, "ec", "ES256")
	v := newVerifier(t, jwtConfig(keyFile(t, jwks(t, ed.jwk().with("kid", nil), ec)), "EdDSA", "ES256"), nil)
	checkTokens(t, v, &bytes.Buffer{}, []testCase{
		{"a kid that no key has", ed.valid(t), ""},
		{"the kid of another key", ed.token(t, ed.header().with("kid", "ec"), validClaims()), Signature},
	})
}

// A key in PEM has no kid. Its tokens may have one.
func TestPEM(t *testing.T) {
	a, b := newSigner(t, "a", "EdDSA"), newSigner(t, "b", "ES256")
	v := newVerifier(t, jwtConfig(keyFile(t, append(a.pem(t), b.pem(t)...)), "EdDSA", "ES256"), nil)
	checkTokens(t, v, &bytes.Buffer{}, []testCase{
		{"EdDSA", a.valid(t), ""},
		{"ES256", b.valid(t), ""},
		{"no kid", b.token(t, b.header().with("kid", nil), validClaims()), ""},
		{"a otherKey", (&signer{"a", "EdDSA", newPrivate(t, "EdDSA")}).valid(t), Signature},
	})
}

// Each algorithm works with a key that does not name its algorithm.
func TestAlgorithms(t *testing.T) {
	for algorithm := range methods {
		if algorithm == hmacAlgorithm {
			continue // see TestSecret
		}
		s := newSigner(t, "1", algorithm)
		k := s.jwk().with("alg", nil, "use", nil)
		v := newVerifier(t, jwtConfig(keyFile(t, jwks(t, k)), algorithm), nil)
		if got := reasonOf(t, v, s.valid(t)); got != "" {
			t.Errorf("%s: %q", algorithm, got)
		}
	}
}

// Ambiguous tokens are refused.
func TestForm(t *testing.T) {
	s := newSigner(t, "1", "EdDSA")
	v := newVerifier(t, jwtConfig(keyFile(t, jwks(t, s)), "EdDSA"), nil)
	valid := s.valid(t)
	signed, signature := cutLast(valid)
	last := valid[len(valid)-1]
	otherEncoding := string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[strings.IndexByte(
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", last)|1]) // the same 64 bytes in another encoding
	head := func(text string) string { return s.token(t, text, validClaims()) }
	claims := func(text string) string { return s.token(t, s.header(), text) }
	text := func(f fields) string {
		b, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	body := strings.TrimSuffix(text(validClaims()), "}")
	checkTokens(t, v, &bytes.Buffer{}, []testCase{
		{"valid", valid, ""},
		{"nothing", "", Missing},
		{"a word", "token", Malformed},
		{"two parts", signed, Malformed},
		{"four parts", valid + ".AAAA", Malformed},
		{"five parts, as when encrypted", valid + "..", Malformed},
		{"dots", "..", Malformed},
		{"8 KiB and a byte", valid + strings.Repeat("A", 8<<10+1-len(valid)), Malformed},
		{"padding", valid + "==", Malformed},
		{"unused bits", valid[:len(valid)-1] + otherEncoding, Malformed},
		{"base64 with + and /", signed + "." + strings.NewReplacer("-", "+", "_", "/").Replace(signature) + "+", Malformed},
		{"a line break", signed + ".\n" + signature, Malformed},
		{"a space", signed + ". " + signature, Malformed},
		{"a space before", " " + valid, Malformed},
		{"two tokens", valid + ", Bearer " + valid, Malformed},

		{"a header that is not JSON", head(`alg`), Malformed},
		{"a header that is a list", head(`["EdDSA"]`), Malformed},
		{"a header that is null", head(`null`), Malformed},
		{"an empty header", head(`{}`), Malformed},
		{"alg twice", head(`{"alg":"EdDSA","alg":"EdDSA","kid":"1"}`), Malformed},
		{"alg twice, once with an escape", head(`{"alg":"EdDSA","\u0061lg":"none","kid":"1"}`), Malformed},
		{"ALG is another name", head(`{"ALG":"EdDSA","kid":"1"}`), Malformed},
		{"alg is a number", head(`{"alg":1,"kid":"1"}`), Malformed},
		{"alg is null", head(`{"alg":null,"kid":"1"}`), Malformed},
		{"kid is a number", head(`{"alg":"EdDSA","kid":1}`), Malformed},
		{"a duplicate name in a nested object", head(`{"alg":"EdDSA","kid":"1","x":[{"y":1,"y":2}]}`), Malformed},
		{"text after the header", head(`{"alg":"EdDSA","kid":"1"}{}`), Malformed},
		{"a trailing comma", head(`{"alg":"EdDSA","kid":"1",}`), Malformed},
		{"a byte order mark", head("\xef\xbb\xbf" + `{"alg":"EdDSA","kid":"1"}`), Malformed},
		{"not UTF-8", head("{\"alg\":\"EdDSA\",\"kid\":\"1\",\"x\":\"\xff\"}"), Malformed},
		{"deep nesting", head(`{"alg":"EdDSA","kid":"1","x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`), Malformed},
		{"crit", head(`{"alg":"EdDSA","kid":"1","crit":["b64"],"b64":true}`), Malformed},
		{"an empty crit", head(`{"alg":"EdDSA","kid":"1","crit":[]}`), Malformed},
		{"crit is null", head(`{"alg":"EdDSA","kid":"1","crit":null}`), Malformed},
		{"no typ", head(`{"alg":"EdDSA","kid":"1"}`), ""},
		{"typ of RFC 9068", head(`{"alg":"EdDSA","kid":"1","typ":"at+jwt"}`), ""},
		{"typ as a media type", head(`{"alg":"EdDSA","kid":"1","typ":"application/AT+JWT"}`), ""},
		{"typ of a logout", head(`{"alg":"EdDSA","kid":"1","typ":"logout+jwt"}`), Malformed},
		{"typ is null", head(`{"alg":"EdDSA","kid":"1","typ":null}`), Malformed},

		{"claims that are not JSON", claims(`exp`), Malformed},
		{"no claims", claims(``), Malformed},
		{"claims that are a string", claims(`"exp"`), Malformed},
		{"claims with white space", claims(" " + body + " } \n"), ""},
		{"exp twice", claims(body + `,"exp":9999999999}`), Malformed},
		{"sub twice", claims(body + `,"sub":"mallory"}`), Malformed},
		{"a duplicate name in nested claims", claims(body + `,"roles":{"a":[{"b":1,"b":2}]}}`), Malformed},
		{"claims that are not UTF-8", claims(body + ",\"x\":\"\xc0\xaf\"}"), Malformed},
		{"text after the claims", claims(body + `} {}`), Malformed},
	})
}

// The claims must name the configured parties and a valid time. Fake time makes the limits exact.
func TestClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, "1", "EdDSA")
		v := newVerifier(t, jwtConfig(keyFile(t, jwks(t, s)), "EdDSA"), nil)
		now := time.Now().Unix()
		with := func(pairs ...any) string { return s.token(t, s.header(), validClaims().with(pairs...)) }
		number := func(name, n string) string { return with(name, json.RawMessage(n)) }
		checkTokens(t, v, &bytes.Buffer{}, []testCase{
			{"expired a second ago, within the leeway", with("exp", now-1), ""},
			{"just before the expiry", with("exp", float64(now)-29.999), ""},
			{"expired", with("exp", now-30), Expired},
			{"expired long ago", with("exp", 0), Expired},
			{"exp with a fraction", number("exp", "4102444800.25"), ""},
			{"exp with an exponent", number("exp", "4.1024448e9"), ""},
			{"exp in the year 9999", number("exp", "253402300799"), ""},
			{"exp in milliseconds", number("exp", "4102444800000"), Malformed},
			{"a huge exp", number("exp", "1e300"), Malformed},
			{"an exp beyond float64", number("exp", "1e999"), Malformed},
			{"an exp of 19 digits", number("exp", "9223372036854775807"), Malformed},
			{"a negative exp", number("exp", "-1"), Malformed},
			{"no exp", with("exp", nil), Malformed},
			{"exp is null", number("exp", "null"), Malformed},
			{"exp is a string", with("exp", "4102444800"), Malformed},
			{"exp is a list", with("exp", []int{4102444800}), Malformed},

			{"no nbf", with("nbf", nil), ""},
			{"nbf within the leeway", with("nbf", now+30), ""},
			{"nbf beyond the leeway", with("nbf", now+31), NotBefore},
			{"nbf with a fraction", with("nbf", float64(now)+30.001), NotBefore},
			{"nbf is a string", with("nbf", "0"), Malformed},
			{"no iat", with("iat", nil), ""},
			{"iat within the leeway", with("iat", now+30), ""},
			{"iat in the future", with("iat", now+31), NotBefore},
			{"iat is true", with("iat", true), Malformed},

			{"another issuer", with("iss", "https://other.example/"), WrongAudienceOrIssuer},
			{"an issuer without its slash", with("iss", strings.TrimSuffix(issuer, "/")), WrongAudienceOrIssuer},
			{"an issuer in capitals", with("iss", strings.ToUpper(issuer)), WrongAudienceOrIssuer},
			{"no issuer", with("iss", nil), WrongAudienceOrIssuer},
			{"a list of issuers", with("iss", []string{issuer}), Malformed},
			{"an audience in a list", with("aud", []string{"other", audience}), ""},
			{"another audience", with("aud", "shops"), WrongAudienceOrIssuer},
			{"other audiences", with("aud", []string{"Shop", "shop "}), WrongAudienceOrIssuer},
			{"an empty list", with("aud", []string{}), WrongAudienceOrIssuer},
			{"no audience", with("aud", nil), WrongAudienceOrIssuer},
			{"the audience any has no special meaning in a token", with("aud", "any"), WrongAudienceOrIssuer},
			{"an audience that is an object", with("aud", fields{"shop": true}), Malformed},
			{"an audience among numbers", with("aud", []any{audience, 1}), Malformed},
			{"aud is null", number("aud", "null"), Malformed},

			{"a subject that is a number", with("sub", 1), Malformed},
			{"half a surrogate pair", s.token(t, s.header(), `{"iss":"`+issuer+`","aud":"shop","exp":4102444800,"sub":"\ud800"}`), Malformed},
			{"roles and more", with("roles", []any{"admin", fields{"a": 1.5}}, "azp", "web"), ""},
		})
	})
}

// Verify returns a different text for each issuer and subject, and "" for a token without subject.
func TestSubject(t *testing.T) {
	s := newSigner(t, "1", "EdDSA")
	v := newVerifier(t, jwtConfig(keyFile(t, jwks(t, s)), "EdDSA"), nil)
	for _, c := range []struct {
		sub  any
		want string
	}{
		{"alice", issuer + "\x00alice"},
		{"a\x00b", issuer + "\x00a\x00b"},
		{"äöü \U0001F600", issuer + "\x00äöü \U0001F600"},
		{strings.Repeat("x", 2000), issuer + "\x00" + strings.Repeat("x", 2000)},
		{"", ""},
		{nil, ""},
	} {
		token := s.token(t, s.header(), validClaims().with("sub", c.sub))
		for range 2 {
			if got, err := v.Verify(context.Background(), token); err != nil || got != c.want {
				t.Errorf("sub %.20v: %.50q, %v", c.sub, got, err)
			}
		}
	}
}

func TestAudienceAnyAndSeveral(t *testing.T) {
	s := newSigner(t, "1", "EdDSA")
	cfg := jwtConfig(keyFile(t, jwks(t, s)), "EdDSA")
	cfg.Audience = []string{"any"}
	anyAudience := newVerifier(t, cfg, nil)
	cfg.Audience = []string{"shop", "mail"}
	several := newVerifier(t, cfg, nil)
	for _, c := range []struct {
		aud          any
		any, several Reason
	}{{"mail", "", ""}, {[]string{"x", "shop"}, "", ""}, {"x", "", WrongAudienceOrIssuer}, {nil, "", WrongAudienceOrIssuer}, {1, "", Malformed}} {
		token := s.token(t, s.header(), validClaims().with("aud", c.aud))
		if got := reasonOf(t, anyAudience, token); got != c.any {
			t.Errorf("any, aud %v: %q", c.aud, got)
		}
		if got := reasonOf(t, several, token); got != c.several {
			t.Errorf("several, aud %v: %q", c.aud, got)
		}
	}
}

// A cached token expires like any other.
func TestCachedTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, "1", "EdDSA")
		v := newVerifier(t, jwtConfig(keyFile(t, jwks(t, s)), "EdDSA"), nil)
		token := s.token(t, s.header(), validClaims().with("exp", time.Now().Add(time.Minute).Unix()))
		start := time.Now()
		for _, c := range []struct {
			at   time.Duration
			want Reason
		}{{0, ""}, {0, ""}, {89 * time.Second, ""}, {90 * time.Second, Expired}} { // 60 s, and the leeway
			time.Sleep(time.Until(start.Add(c.at)))
			if got := reasonOf(t, v, token); got != c.want {
				t.Errorf("after %s: %q, want %q", c.at, got, c.want)
			}
		}
	})
}

// The token cache is bounded, and a token that is used often stays in it.
func TestTokenCacheIsBounded(t *testing.T) {
	var c tokenCache
	now := time.Now()
	id := identity{"alice", now.Add(time.Hour)}
	often := digest(sha256.Sum256([]byte("often")))
	c.put(often, id)
	for i := range 3 * maxCachedTokens {
		c.put(digest(sha256.Sum256([]byte{byte(i), byte(i >> 8), byte(i >> 16)})), id)
		if _, ok := c.get(often, now); !ok {
			t.Fatalf("dropped after %d other tokens", i)
		}
		if n := len(c.recent) + len(c.previous); n > 2*maxCachedTokens {
			t.Fatalf("%d tokens are cached", n)
		}
	}
	c = tokenCache{}
	c.put(often, identity{strings.Repeat("x", maxSubjectBytes+1), id.expires})
	if _, ok := c.get(often, now); ok {
		t.Error("a token with a huge subject is cached")
	}
}

// Two Verifiers can share metrics on one registry, as during a reload.
func TestVerifiersShareMetrics(t *testing.T) {
	s := newSigner(t, "1", "EdDSA")
	m := NewMetrics(prometheus.NewRegistry())
	for range 2 {
		v := newVerifier(t, jwtConfig(keyFile(t, jwks(t, s)), "EdDSA"), &Options{Metrics: m})
		if got := reasonOf(t, v, s.valid(t)); got != "" {
			t.Errorf("refused: %q", got)
		}
	}
	if got := counterValue(t, m.accepted); got != 2 {
		t.Errorf("%v tokens counted, want 2", got)
	}
}
