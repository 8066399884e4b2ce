package jwt

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Unusable keys are ignored, and the other keys of the set are used.
func TestIgnoredKeys(t *testing.T) {
	valid, ec, rs := newSigner(t, "valid", "EdDSA"), newSigner(t, "ec", "ES256"), newSigner(t, "rs", "RS256")
	other := ec.jwk()
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	short := strings.TrimPrefix(other["x"].(string), other["x"].(string)[:4])
	for _, c := range []struct {
		name string
		key  fields
		err  string
	}{
		{"another algorithm", newSigner(t, "es", "ES384").jwk(), "does not match any accepted algorithm"},
		{"an algorithm of another key type", rs.jwk().with("alg", "ES256"), "does not match any accepted algorithm"},
		{"an algorithm with shared secrets", ec.jwk().with("alg", "HS256"), "does not match any accepted algorithm"},
		{"alg is a number", ec.jwk().with("alg", 1), `has a member "alg" that is not a string`},
		{"another use", ec.jwk().with("use", "enc"), `its use is not "sig"`},
		{"use is null", ec.jwk().with("use", []any{"sig"}), `has a member "use" that is not a string`},
		{"key_ops without verify", ec.jwk().with("use", nil, "key_ops", []string{"encrypt"}), `its key_ops do not contain "verify"`},
		{"key_ops is a string", ec.jwk().with("key_ops", "verify"), `its key_ops do not contain "verify"`},
		{"key_ops of objects", ec.jwk().with("key_ops", []any{fields{}}), `its key_ops do not contain "verify"`},
		{"an unknown kty", ec.jwk().with("kty", "AKP"), "has an unknown kty"},
		{"no kty", ec.jwk().with("kty", nil), "has an unknown kty"},
		{"kty is a number", ec.jwk().with("kty", 1), `has a member "kty" that is not a string`},
		{"kid is a number", ec.jwk().with("kid", 1), `has a member "kid" that is not a string`},

		{"the curve secp256k1", ec.jwk().with("crv", "secp256k1"), "has an unknown curve"},
		{"a point that is not on the curve", ec.jwk().with("x", other["y"], "y", other["x"]), "is not a point on its curve"},
		{"the point at infinity", ec.jwk().with("x", b64(make([]byte, 32)), "y", b64(make([]byte, 32))), "is not a point on its curve"},
		{"a coordinate that is too short", ec.jwk().with("x", short), "has a coordinate of the wrong length"},
		{"a curve for longer coordinates", ec.jwk().with("crv", "P-521"), "has a coordinate of the wrong length"},
		{"no y", ec.jwk().with("y", nil), "has no y in base64url"},
		{"x is a number", ec.jwk().with("x", 1), `has a member "x" that is not a string`},
		{"x with padding", ec.jwk().with("x", other["x"].(string)+"="), "has no x in base64url"},

		{"1024 bits", rs.jwk().with("n", b64(weak.N.Bytes())), "has 1024 bits: at least 2048 are required"},
		{"16384 bits", rs.jwk().with("n", b64(bytes.Repeat([]byte{0xff}, 2048))), "has 16384 bits: at most 8192 are accepted"},
		{"an even modulus", rs.jwk().with("n", b64(append(bytes.Repeat([]byte{0xff}, 255), 0xfe))), "is not a valid RSA key"},
		{"an exponent of 1", rs.jwk().with("e", "AQ"), "is not a valid RSA key"},
		{"an exponent of 0", rs.jwk().with("e", "AA"), "is not a valid RSA key"},
		{"an even exponent", rs.jwk().with("e", "AQAA"), "is not a valid RSA key"},
		{"a huge exponent", rs.jwk().with("e", b64(bytes.Repeat([]byte{0xff}, 256))), "has an exponent that is too large"},
		{"no exponent", rs.jwk().with("e", ""), "has no e in base64url"},

		{"X25519", newSigner(t, "o", "EdDSA").jwk().with("crv", "X25519"), "is not an Ed25519 key of 32 bytes"},
		{"31 bytes", newSigner(t, "o", "EdDSA").jwk().with("x", b64(make([]byte, 31))), "is not an Ed25519 key of 32 bytes"},

		{"a private key", ec.jwk().with("d", b64(make([]byte, 32))), "is a private key or a shared secret"},
		{"a private RSA key", rs.jwk().with("p", "AQAB", "q", "AQAB"), "is a private key or a shared secret"},
		{"a shared secret", fields{"kty": "oct", "kid": "o", "k": "c2VjcmV0"}, "is a private key or a shared secret"},
		{"an EC key with a shared secret", ec.jwk().with("k", "c2VjcmV0"), "is a private key or a shared secret"},
	} {
		var log bytes.Buffer
		set := jwks(t, c.key, valid)
		v, err := New(jwtConfig(keyFile(t, set), "EdDSA", "ES256", "RS256"), &Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if ignored := v.keys.Load().ignored; len(ignored) != 1 || ignored[0].index != 0 || !strings.Contains(ignored[0].err.Error(), c.err) {
			t.Errorf("%s: ignored %v, want %q", c.name, ignored, c.err)
		}
		if got := reasonOf(t, v, valid.valid(t)); got != "" {
			t.Errorf("%s: the valid key is not used: %q", c.name, got)
		}
		level := "level=INFO"
		if strings.Contains(c.err, "secret") {
			level = "level=ERROR"
		}
		if err := v.adopt(set); err != nil { // the same keys are not logged again
			t.Error(err)
		}
		if log := log.String(); strings.Count(log, "\n") != 2 || !strings.Contains(log, level) {
			t.Errorf("%s: log\n%s", c.name, log)
		}
	}
}

// A set with members that are no keys is used with its other keys. The metric counts the ignored ones.
func TestOneUnusableMemberDoesNotCostTheOthers(t *testing.T) {
	valid := newSigner(t, "valid", "EdDSA")
	key := strings.TrimSuffix(strings.TrimPrefix(string(jwks(t, valid)), `{"keys":[`), `]}`)
	for _, member := range []string{
		"null", "1", "true", `"a"`, "[]", "{}", `{"kty":"AKP","kid":"x"}`, `{"kty":"EC","crv":"P-256"}`, `{"kty":null}`,
		`{"kty":"OKP","crv":"Ed25519","x":"AAAA="}`, `{"kty":"RSA","n":"AQAB","e":"AQAB=="}`,
	} {
		for _, list := range []string{member + "," + key, key + "," + member} {
			set := `{"keys":[` + list + `]}`
			registry := prometheus.NewRegistry()
			v, err := New(jwtConfig(keyFile(t, []byte(set)), "EdDSA", "ES256", "RS256"), &Options{Metrics: NewMetrics(registry)})
			if err != nil {
				t.Errorf("%s: %v", member, err)
				continue
			}
			if got := reasonOf(t, v, valid.valid(t)); got != "" {
				t.Errorf("%s: the valid key is not used: %q", member, got)
			}
			if n := gauge(t, registry, "tenfold_auth_keys_ignored"); n != 1 {
				t.Errorf("%s: %v ignored keys are counted, want 1", member, n)
			}
		}
	}
}

func gauge(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// Keys are read from files as editors write them. What cannot be read is refused with the reason.
func TestKeyFilesOfEditors(t *testing.T) {
	a := newSigner(t, "a", "EdDSA")
	der, err := x509.MarshalPKIXPublicKey(a.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	block := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	for _, text := range []string{string(jwks(t, a)), block} {
		for _, data := range []string{
			"\xef\xbb\xbf" + text,
			"\xef\xbb\xbf\r\n" + strings.ReplaceAll(text, "\n", "\r\n"),
			strings.ReplaceAll(text, "\n", "\r"),
		} {
			set, err := readSet([]byte(data), []string{"EdDSA"})
			if err != nil || len(set.keys) != 1 {
				t.Errorf("%.40q: %v", data, err)
			}
		}
		_, err := New(jwtConfig(keyFile(t, []byte("\xff\xfe"+strings.Join(strings.Split(text, ""), "\x00")+"\x00")), "EdDSA"), nil)
		if wrong := (*KeysError)(nil); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "UTF-16") || wrong.Hint() == "" {
			t.Errorf("UTF-16: got %v", err)
		}
	}
	_, err = readSet([]byte("{\n\u00a0\"keys\": []}"), nil)
	if err == nil || !strings.Contains(err.Error(), "line 2, column 1: there is a no-break space (U+00A0) here") {
		t.Errorf("no-break space: got %v", err)
	}
}

// Ambiguous and invalid sets are rejected.
func TestInvalidSets(t *testing.T) {
	a, b, rs := newSigner(t, "a", "EdDSA"), newSigner(t, "b", "EdDSA"), newSigner(t, "rs", "RS256")
	key := func(s *signer) string {
		return strings.TrimSuffix(strings.TrimPrefix(string(jwks(t, s)), `{"keys":[`), `]}`)
	}
	many := make([]any, maxKeys+1)
	for i := range many {
		many[i] = fields{"kty": "RSA"}
	}
	private, err := x509.MarshalPKCS8PrivateKey(a.private)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := x509.MarshalPKIXPublicKey(curve.Public())
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	for _, c := range []struct{ name, data, want string }{
		{"empty", "", "is neither a JWKS nor a public key in PEM"},
		{"an HTML page", "<html>not found</html>", "is neither a JWKS nor a public key in PEM"},
		{"half of it", `{"keys":[` + key(a), "is not JSON"},
		{"two sets", string(jwks(t, a)) + string(jwks(t, b)), "is not JSON"},
		{"not UTF-8", `{"keys":[],"x":"` + "\xff" + `"}`, "is not UTF-8"},
		{"deep nesting", `{"keys":[],"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, "is nested too deeply"},
		{"keys twice", `{"keys":[` + key(a) + `],"keys":[]}`, "has a duplicate name"},
		{"kid twice", `{"keys":[` + strings.Replace(key(a), `{`, `{"kid":"x",`, 1) + `]}`, "has a duplicate name"},
		{"a key alone", key(a), `the member "keys" is not a list`},
		{"keys is null", `{"keys":null}`, `the member "keys" is not a list`},
		{"keys is an object", `{"keys":{}}`, `the member "keys" is not a list`},
		{"a key that is a string", `{"keys":["a"]}`, "keys[0] is not an object"},
		{"101 keys", string(jwks(t, many...)), "has 101 keys: at most 100 are accepted"},
		{"a kid twice", string(jwks(t, a, b.jwk().with("kid", "a"))), `has two keys with the kid "a" for the same algorithm`},
		{"the same key twice", string(jwks(t, a, a)), `has two keys with the kid "a" for the same algorithm`},
		{"two keys without a kid", string(jwks(t, a.jwk().with("kid", nil), b.jwk().with("kid", nil))), "has two keys without a kid"},
		{"two keys in PEM", string(a.pem(t)) + string(b.pem(t)), "has two keys without a kid"},
		{"a private key in PEM", block("PRIVATE KEY", private), "block 0 is a private key"},
		{"a private key after a public one", string(a.pem(t)) + block("RSA PRIVATE KEY", private), "block 1 is a private key"},
		{"a certificate", block("CERTIFICATE", private), `block 0 is a "CERTIFICATE", not a PUBLIC KEY`},
		{"PEM with invalid content", block("PUBLIC KEY", []byte("garbage")), "block 0 is not a valid public key"},
		{"PEM that is cut off", string(a.pem(t)) + string(rs.pem(t))[:100], "has 2 PEM blocks, and only 1 of them are valid"},

		{"no keys", `{"keys":[]}`, "has no keys"},
		{"no usable key", string(jwks(t, newSigner(t, "es", "ES256"))), "has no usable key: keys[0] does not match any accepted algorithm"},
		{"several keys, none usable", string(jwks(t, newSigner(t, "es", "ES256"), fields{}, fields{})), "does not match any accepted algorithm; 2 more keys are not usable either"},
		{"no usable key in PEM", block("PUBLIC KEY", p224), "has no usable key"},
		{"a private key alone", string(jwks(t, a.jwk().with("d", "AAAA"))), "is a private key or a shared secret"},
		{"larger than 1 MiB", `{"keys":[]` + strings.Repeat(" ", maxSetBytes) + `}`, "is larger than 1 MiB"},
	} {
		_, err := New(jwtConfig(keyFile(t, []byte(c.data)), "EdDSA", "RS256"), nil)
		var bad *KeysError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 500 {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
			continue
		}
		if secret := strings.Contains(c.want, "private"); secret != strings.Contains(bad.Hint(), "-pubout") {
			t.Errorf("%s: hint %q", c.name, bad.Hint())
		}
	}
	for name, at := range map[string]string{"no file": "/nonexistent/keys", "a folder": t.TempDir(), "a device": "/dev/zero"} {
		if _, err := New(jwtConfig(at, "EdDSA"), nil); !errors.As(err, new(*KeysError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Keys with the same kid are distinguished by their algorithm (RFC 7517, section 4.5). A set may have maxKeys keys.
func TestValidSets(t *testing.T) {
	ed, es := newSigner(t, "same", "EdDSA"), newSigner(t, "same", "ES256")
	v := newVerifier(t, jwtConfig(keyFile(t, append([]byte("\n\t "), jwks(t, es, ed)...)), "ES256", "EdDSA"), nil)
	for _, s := range []*signer{ed, es} {
		if got := reasonOf(t, v, s.valid(t)); got != "" {
			t.Errorf("%s: %q", s.algorithm, got)
		}
	}
	keys := make([]any, maxKeys)
	for i := range keys {
		keys[i] = ed.jwk().with("kid", strings.Repeat("k", i+1))
	}
	v = newVerifier(t, jwtConfig(keyFile(t, jwks(t, keys...)), "EdDSA"), nil)
	if got := reasonOf(t, v, ed.token(t, ed.header().with("kid", strings.Repeat("k", maxKeys)), validClaims())); got != "" {
		t.Errorf("the last of %d keys: %q", maxKeys, got)
	}
}

// New rejects incomplete configurations, and algorithms with shared secrets.
func TestInvalidConfigurations(t *testing.T) {
	file := keyFile(t, jwks(t, newSigner(t, "1", "EdDSA")))
	for _, algorithms := range [][]string{nil, {"HS256"}, {"none"}, {"EdDSA", "HS512"}, {"eddsa"}} {
		if _, err := New(jwtConfig(file, algorithms...), nil); err == nil {
			t.Errorf("%q are accepted", algorithms)
		}
	}
	cfg := jwtConfig(file, "EdDSA")
	cfg.Issuer = ""
	if _, err := New(cfg, nil); err == nil {
		t.Error("a configuration without issuer is accepted")
	}
	cfg = jwtConfig(file, "EdDSA")
	cfg.Audience = nil
	if _, err := New(cfg, nil); err == nil {
		t.Error("a configuration without audience is accepted")
	}
}
