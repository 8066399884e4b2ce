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
)

// row is one of a table: what is sent, and why it is refused; "" for a token that holds.
type row struct {
	name  string
	token string
	want  Reason
}

// check runs a table against a verifier, twice each, because what is remembered must not differ; and sees that nothing of a
// token is told.
func check(t *testing.T, v *Verifier, log *bytes.Buffer, table []row) {
	t.Helper()
	for _, c := range table {
		for range 2 {
			subject, err := v.Verify(context.Background(), c.token)
			got := Reason("")
			if err != nil {
				got = err.(*Refusal).Reason
				for part := range strings.SplitSeq(c.token, ".") {
					if len(part) > 8 && (strings.Contains(err.Error(), part) || strings.Contains(log.String(), part)) {
						t.Errorf("%s: the error or the log tells the token", c.name)
					}
				}
			}
			if got != c.want {
				t.Errorf("%s: refused for %q (%v), want %q", c.name, got, err, c.want)
			}
			if err != nil && subject != "" {
				t.Errorf("%s: refused, and speaks for %q", c.name, subject)
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

// The signature must be that of a key that the issuer has, with the algorithm of that key.
func TestWhoSigned(t *testing.T) {
	ed, ec, rs := newSigner(t, "ed", "EdDSA"), newSigner(t, "ec", "ES256"), newSigner(t, "rs", "RS256")
	stranger := &signer{"ed", "EdDSA", newPrivate(t, "EdDSA")}
	var log bytes.Buffer
	v := verifier(t, accept(keyFile(t, jwks(t, ed, ec, rs)), "EdDSA", "ES256", "RS256"), &Options{Log: slog.New(slog.NewTextHandler(&log, nil))})

	public := ed.private.Public().(ed25519.PublicKey)
	jwkText, err := json.Marshal(ed.jwk())
	if err != nil {
		t.Fatal(err)
	}
	hs := fields{"alg": "HS256", "kid": "ed"}
	edSigned := ed.good(t)
	body, _ := cutLast(edSigned)
	unsigned := func(alg string) string {
		return encode(t, fields{"alg": alg, "kid": "ed"}) + "." + encode(t, goodClaims()) + "."
	}
	check(t, v, &log, []row{
		{"EdDSA", ed.good(t), ""},
		{"ES256", ec.good(t), ""},
		{"RS256", rs.good(t), ""},
		{"no kid, one key of that kind", ed.token(t, ed.header().with("kid", nil), goodClaims()), ""},
		{"an empty kid is none", ed.token(t, ed.header().with("kid", ""), goodClaims()), ""},
		{"a key in the header is not looked at", ed.token(t, ed.header().with("jwk", stranger.jwk(), "jku", "https://evil.example/"), goodClaims()), ""},

		{"none", unsigned("none"), Signature},
		{"None", unsigned("None"), Signature},
		{"none with a signature", ed.token(t, fields{"alg": "none"}, goodClaims()), Signature},
		{"no signature", body + ".", Signature},
		{"HS256 with the public key", hs256(t, public, hs, goodClaims()), Signature},
		{"HS256 with the public key in PEM", hs256(t, ed.pem(t), hs, goodClaims()), Signature},
		{"HS256 with the public RSA key in PEM", hs256(t, rs.pem(t), hs.with("kid", "rs"), goodClaims()), Signature},
		{"HS256 with the public key as JWK", hs256(t, jwkText, hs, goodClaims()), Signature},
		{"an HMAC called EdDSA", hs256(t, public, ed.header(), goodClaims()), Signature},
		{"an algorithm that is not accepted", rs.token(t, rs.header().with("alg", "PS256"), goodClaims()), Signature},
		{"eddsa", ed.token(t, ed.header().with("alg", "eddsa"), goodClaims()), Signature},
		{"the algorithm of another key", ed.token(t, ed.header().with("alg", "RS256"), goodClaims()), Signature},
		{"the kid of another key", ed.token(t, ed.header().with("kid", "ec"), goodClaims()), Signature},
		{"a kid that is nobody's", ed.token(t, ed.header().with("kid", "x"), goodClaims()), Signature},
		{"a stranger with our kid", stranger.good(t), Signature},
		{"a stranger's key in the header", stranger.token(t, stranger.header().with("jwk", stranger.jwk()), goodClaims()), Signature},
		{"other claims under the signature", swapClaims(t, edSigned, goodClaims().with("sub", "mallory")), Signature},
		{"a longer signature", edSigned + "AAAA", Signature},
	})
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("tokens are logged:\n%s", log.String())
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

// A token without a kid is tried only when there is no choice.
func TestNoKidAndSeveralKeys(t *testing.T) {
	a, b := newSigner(t, "a", "EdDSA"), newSigner(t, "b", "EdDSA")
	v := verifier(t, accept(keyFile(t, jwks(t, a, b)), "EdDSA"), nil)
	check(t, v, &bytes.Buffer{}, []row{
		{"a", a.good(t), ""},
		{"b", b.good(t), ""},
		{"no kid, a's", a.token(t, a.header().with("kid", nil), goodClaims()), Signature},
		{"no kid, b's", b.token(t, b.header().with("kid", nil), goodClaims()), Signature},
	})
}

// A kid that is in the set means that key, also when another one would do.
func TestKidOfAnotherKey(t *testing.T) {
	ed, ec := newSigner(t, "ed", "EdDSA"), newSigner(t, "ec", "ES256")
	v := verifier(t, accept(keyFile(t, jwks(t, ed.jwk().with("kid", nil), ec)), "EdDSA", "ES256"), nil)
	check(t, v, &bytes.Buffer{}, []row{
		{"a kid that is in no key", ed.good(t), ""},
		{"that of another key", ed.token(t, ed.header().with("kid", "ec"), goodClaims()), Signature},
	})
}

// A key in PEM has no kid; tokens may have one.
func TestPEM(t *testing.T) {
	a, b := newSigner(t, "a", "EdDSA"), newSigner(t, "b", "ES256")
	v := verifier(t, accept(keyFile(t, append(a.pem(t), b.pem(t)...)), "EdDSA", "ES256"), nil)
	check(t, v, &bytes.Buffer{}, []row{
		{"EdDSA", a.good(t), ""},
		{"ES256", b.good(t), ""},
		{"no kid", b.token(t, b.header().with("kid", nil), goodClaims()), ""},
		{"a stranger", (&signer{"a", "EdDSA", newPrivate(t, "EdDSA")}).good(t), Signature},
	})
}

// Every algorithm that the configuration knows works, with a key that does not say which is its own.
func TestAlgorithms(t *testing.T) {
	for algorithm := range methods {
		s := newSigner(t, "1", algorithm)
		k := s.jwk().with("alg", nil, "use", nil)
		v := verifier(t, accept(keyFile(t, jwks(t, k)), algorithm), nil)
		if got := reasonOf(t, v, s.good(t)); got != "" {
			t.Errorf("%s: %q", algorithm, got)
		}
	}
}

// What can be read in two ways is no token.
func TestForm(t *testing.T) {
	s := newSigner(t, "1", "EdDSA")
	v := verifier(t, accept(keyFile(t, jwks(t, s)), "EdDSA"), nil)
	good := s.good(t)
	signed, signature := cutLast(good)
	last := good[len(good)-1]
	sibling := string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[strings.IndexByte(
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", last)|1]) // the same 64 bytes, spelled otherwise
	head := func(text string) string { return s.token(t, text, goodClaims()) }
	claims := func(text string) string { return s.token(t, s.header(), text) }
	text := func(f fields) string {
		b, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	body := strings.TrimSuffix(text(goodClaims()), "}")
	check(t, v, &bytes.Buffer{}, []row{
		{"good", good, ""},
		{"nothing", "", Missing},
		{"a word", "token", Malformed},
		{"two parts", signed, Malformed},
		{"four parts", good + ".AAAA", Malformed},
		{"five parts, as when encrypted", good + "..", Malformed},
		{"dots", "..", Malformed},
		{"8 KiB and a byte", good + strings.Repeat("A", 8<<10+1-len(good)), Malformed},
		{"padding", good + "==", Malformed},
		{"bits that say nothing", good[:len(good)-1] + sibling, Malformed},
		{"base64 that is not for URLs", signed + "." + strings.NewReplacer("-", "+", "_", "/").Replace(signature) + "+", Malformed},
		{"a line break", signed + ".\n" + signature, Malformed},
		{"a space", signed + ". " + signature, Malformed},
		{"a space before", " " + good, Malformed},
		{"two tokens", good + ", Bearer " + good, Malformed},

		{"a header that is no JSON", head(`alg`), Malformed},
		{"a header that is a list", head(`["EdDSA"]`), Malformed},
		{"a header that is null", head(`null`), Malformed},
		{"an empty header", head(`{}`), Malformed},
		{"alg twice", head(`{"alg":"EdDSA","alg":"EdDSA","kid":"1"}`), Malformed},
		{"alg twice, once with an escape", head(`{"alg":"EdDSA","\u0061lg":"none","kid":"1"}`), Malformed},
		{"ALG is another name", head(`{"ALG":"EdDSA","kid":"1"}`), Malformed},
		{"alg is a number", head(`{"alg":1,"kid":"1"}`), Malformed},
		{"alg is null", head(`{"alg":null,"kid":"1"}`), Malformed},
		{"kid is a number", head(`{"alg":"EdDSA","kid":1}`), Malformed},
		{"a name twice far within", head(`{"alg":"EdDSA","kid":"1","x":[{"y":1,"y":2}]}`), Malformed},
		{"more after the header", head(`{"alg":"EdDSA","kid":"1"}{}`), Malformed},
		{"a comma too many", head(`{"alg":"EdDSA","kid":"1",}`), Malformed},
		{"a byte order mark", head("\xef\xbb\xbf" + `{"alg":"EdDSA","kid":"1"}`), Malformed},
		{"not UTF-8", head("{\"alg\":\"EdDSA\",\"kid\":\"1\",\"x\":\"\xff\"}"), Malformed},
		{"deep", head(`{"alg":"EdDSA","kid":"1","x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`), Malformed},
		{"crit", head(`{"alg":"EdDSA","kid":"1","crit":["b64"],"b64":true}`), Malformed},
		{"crit that is empty", head(`{"alg":"EdDSA","kid":"1","crit":[]}`), Malformed},
		{"crit that is null", head(`{"alg":"EdDSA","kid":"1","crit":null}`), Malformed},
		{"no typ", head(`{"alg":"EdDSA","kid":"1"}`), ""},
		{"typ of RFC 9068", head(`{"alg":"EdDSA","kid":"1","typ":"at+jwt"}`), ""},
		{"typ in full", head(`{"alg":"EdDSA","kid":"1","typ":"application/AT+JWT"}`), ""},
		{"typ of a logout", head(`{"alg":"EdDSA","kid":"1","typ":"logout+jwt"}`), Malformed},
		{"typ is null", head(`{"alg":"EdDSA","kid":"1","typ":null}`), Malformed},

		{"claims that are no JSON", claims(`exp`), Malformed},
		{"no claims", claims(``), Malformed},
		{"claims that are a text", claims(`"exp"`), Malformed},
		{"claims with white space", claims(" " + body + " } \n"), ""},
		{"exp twice", claims(body + `,"exp":9999999999}`), Malformed},
		{"sub twice", claims(body + `,"sub":"mallory"}`), Malformed},
		{"a name twice far within the claims", claims(body + `,"roles":{"a":[{"b":1,"b":2}]}}`), Malformed},
		{"claims that are not UTF-8", claims(body + ",\"x\":\"\xc0\xaf\"}"), Malformed},
		{"more after the claims", claims(body + `} {}`), Malformed},
	})
}

// The claims say that the token is for us, now. The clock stands still in the bubble, so that the borders are exact.
func TestClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, "1", "EdDSA")
		v := verifier(t, accept(keyFile(t, jwks(t, s)), "EdDSA"), nil)
		now := time.Now().Unix()
		with := func(pairs ...any) string { return s.token(t, s.header(), goodClaims().with(pairs...)) }
		number := func(name, n string) string { return with(name, json.RawMessage(n)) }
		check(t, v, &bytes.Buffer{}, []row{
			{"expired a second ago, within the leeway", with("exp", now-1), ""},
			{"the last moment", with("exp", float64(now)-29.999), ""},
			{"expired", with("exp", now-30), Expired},
			{"expired long ago", with("exp", 0), Expired},
			{"exp with a fraction", number("exp", "4102444800.25"), ""},
			{"exp with an exponent", number("exp", "4.1024448e9"), ""},
			{"exp in the year 9999", number("exp", "253402300799"), ""},
			{"exp in milliseconds", number("exp", "4102444800000"), Malformed},
			{"a huge exp", number("exp", "1e300"), Malformed},
			{"an exp that is no float", number("exp", "1e999"), Malformed},
			{"an exp of 19 digits", number("exp", "9223372036854775807"), Malformed},
			{"a negative exp", number("exp", "-1"), Malformed},
			{"no exp", with("exp", nil), Malformed},
			{"exp is null", number("exp", "null"), Malformed},
			{"exp is a text", with("exp", "4102444800"), Malformed},
			{"exp is a list", with("exp", []int{4102444800}), Malformed},

			{"no nbf", with("nbf", nil), ""},
			{"nbf within the leeway", with("nbf", now+30), ""},
			{"not yet", with("nbf", now+31), NotYet},
			{"nbf with a fraction", with("nbf", float64(now)+30.001), NotYet},
			{"nbf is a text", with("nbf", "0"), Malformed},
			{"no iat", with("iat", nil), ""},
			{"iat within the leeway", with("iat", now+30), ""},
			{"iat in the future", with("iat", now+31), NotYet},
			{"iat is true", with("iat", true), Malformed},

			{"another issuer", with("iss", "https://other.example/"), Foreign},
			{"an issuer without its slash", with("iss", strings.TrimSuffix(issuer, "/")), Foreign},
			{"an issuer in capitals", with("iss", strings.ToUpper(issuer)), Foreign},
			{"no issuer", with("iss", nil), Foreign},
			{"a list of issuers", with("iss", []string{issuer}), Malformed},
			{"an audience in a list", with("aud", []string{"other", audience}), ""},
			{"another audience", with("aud", "shops"), Foreign},
			{"other audiences", with("aud", []string{"Shop", "shop "}), Foreign},
			{"an empty list", with("aud", []string{}), Foreign},
			{"no audience", with("aud", nil), Foreign},
			{"any is no name", with("aud", "any"), Foreign},
			{"an audience that is an object", with("aud", fields{"shop": true}), Malformed},
			{"an audience among numbers", with("aud", []any{audience, 1}), Malformed},
			{"aud is null", number("aud", "null"), Malformed},

			{"a subject that is a number", with("sub", 1), Malformed},
			{"half a surrogate pair", s.token(t, s.header(), `{"iss":"`+issuer+`","aud":"shop","exp":4102444800,"sub":"\ud800"}`), Malformed},
			{"roles and more", with("roles", []any{"admin", fields{"a": 1.5}}, "azp", "web"), ""},
		})
	})
}

// Whom a token speaks for is one text for each issuer and subject, and none for a token that does not say.
func TestSubject(t *testing.T) {
	s := newSigner(t, "1", "EdDSA")
	v := verifier(t, accept(keyFile(t, jwks(t, s)), "EdDSA"), nil)
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
		token := s.token(t, s.header(), goodClaims().with("sub", c.sub))
		for range 2 {
			if got, err := v.Verify(context.Background(), token); err != nil || got != c.want {
				t.Errorf("sub %.20v: %.50q, %v", c.sub, got, err)
			}
		}
	}
}

func TestAudienceAnyAndSeveral(t *testing.T) {
	s := newSigner(t, "1", "EdDSA")
	cfg := accept(keyFile(t, jwks(t, s)), "EdDSA")
	cfg.Audience = []string{"any"}
	anyone := verifier(t, cfg, nil)
	cfg.Audience = []string{"shop", "mail"}
	several := verifier(t, cfg, nil)
	for _, c := range []struct {
		aud          any
		any, several Reason
	}{{"mail", "", ""}, {[]string{"x", "shop"}, "", ""}, {"x", "", Foreign}, {nil, "", Foreign}, {1, "", Malformed}} {
		token := s.token(t, s.header(), goodClaims().with("aud", c.aud))
		if got := reasonOf(t, anyone, token); got != c.any {
			t.Errorf("any, aud %v: %q", c.aud, got)
		}
		if got := reasonOf(t, several, token); got != c.several {
			t.Errorf("several, aud %v: %q", c.aud, got)
		}
	}
}

// A token that held is not asked about its signature again, and ends all the same.
func TestRememberedTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, "1", "EdDSA")
		v := verifier(t, accept(keyFile(t, jwks(t, s)), "EdDSA"), nil)
		token := s.token(t, s.header(), goodClaims().with("exp", time.Now().Add(time.Minute).Unix()))
		begun := time.Now()
		for _, c := range []struct {
			at   time.Duration
			want Reason
		}{{0, ""}, {0, ""}, {89 * time.Second, ""}, {90 * time.Second, Expired}} { // 60 s, and the leeway
			time.Sleep(time.Until(begun.Add(c.at)))
			if got := reasonOf(t, v, token); got != c.want {
				t.Errorf("after %s: %q, want %q", c.at, got, c.want)
			}
		}
	})
}

// However many tokens there are, what is remembered of them has an end, and what is used often stays.
func TestRememberedIsBounded(t *testing.T) {
	var c remembered
	now := time.Now()
	id := identity{"alice", now.Add(time.Hour)}
	often := digest(sha256.Sum256([]byte("often")))
	c.put(often, id)
	for i := range 3 * maxRemembered {
		c.put(digest(sha256.Sum256([]byte{byte(i), byte(i >> 8), byte(i >> 16)})), id)
		if _, ok := c.get(often, now); !ok {
			t.Fatalf("forgotten after %d others", i)
		}
		if n := len(c.young) + len(c.old); n > 2*maxRemembered {
			t.Fatalf("%d are remembered", n)
		}
	}
	c = remembered{}
	c.put(often, identity{strings.Repeat("x", maxSubjectBytes+1), id.until})
	if _, ok := c.get(often, now); ok {
		t.Error("a huge subject is remembered")
	}
}
