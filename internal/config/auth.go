package config

import (
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

var authPolicy = routePolicy{
	key: "auth",
	value: func(r *Route) value {
		return choice(&r.Auth, "jwt or off", "a way to authenticate", AuthJWT, AuthOff)
	},
	check: func(v *validation, path string, r *Route, c *Config) {
		if r.Auth == AuthJWT && c.JWT == nil {
			v.problem(path+".auth", "jwt: {algorithms: [EdDSA], keys: jwks.json, issuer: ..., audience: ...}",
				"no tokens are accepted: the top of the file has no jwt")
		}
	},
	note: func(n *notes, path string, r *Route, c *Config) {
		if i := c.unguarded(r); i >= 0 {
			n.add(path+".host", "auth: jwt there too, or no host here",
				"requires a token on %s only: under any other name, routes[%d] leads clients to the same path of %s without a token",
				r.Host, i, r.To)
		}
	},
	describe: func(r *Route) (short, long string) {
		if r.Auth == AuthOff || r.Auth == "" {
			return "", ""
		}
		return string(r.Auth), "auth " + string(r.Auth)
	},
}

// unguarded returns the index of a route that leads clients without a token to the same path, when r wants a token on one host
// only. It returns -1 when no such route exists.
func (c *Config) unguarded(r *Route) int {
	if r.Auth != AuthJWT || r.Host == "" {
		return -1
	}
	return slices.IndexFunc(c.Routes, func(other Route) bool {
		below := strings.TrimSuffix(other.Path, "/") + "/"
		return other.To == r.To && other.Host == "" && other.Auth == AuthOff && strings.HasPrefix(r.Path+"/", below)
	})
}

func newJWT() *JWT {
	return &JWT{Leeway: 30 * time.Second, Refresh: 5 * time.Minute, Refetch: 30 * time.Second}
}

func (j *JWT) fields() []field {
	return []field{
		{"algorithms", list[string]{p: &j.Algorithms, parse: parseAlgorithm, print: word, most: len(algorithms)}},
		{"keys", keySource{&j.Keys}},
		{"secret", optionalSecret{&j.Secret}},
		{"issuer", text(&j.Issuer, checkClaim)},
		{"audience", list[string]{p: &j.Audience, parse: parseClaim, print: word, most: 32}},
		{"leeway", duration(&j.Leeway, 0)},
		{"refresh", duration(&j.Refresh, time.Second)},
		{"refetch", duration(&j.Refetch, time.Second)},
	}
}

// hmacAlgorithm is the only algorithm for tokens with a shared secret.
const hmacAlgorithm = "HS256"

// minSecret is the shortest secret, in bytes: RFC 7518 section 3.2 wants as many bits as the hash has.
const minSecret = 32

// jwt checks that everything that makes a token trustworthy is given.
func (v *validation) jwt(j *JWT) {
	v.jwtSecret(j)
	bySecret := j.Secret != "" || v.broken("jwt.secret")
	for _, required := range []struct {
		missing   bool
		key, hint string
	}{
		{len(j.Algorithms) == 0 && !bySecret, "algorithms", "algorithms: [EdDSA]"},
		{j.Keys == "" && !bySecret, "keys", "keys: https://issuer.example/.well-known/jwks.json"},
		{j.Issuer == "", "issuer", "issuer: https://issuer.example/"},
		{len(j.Audience) == 0, "audience", "audience: shop, or any if tokens of this issuer have none"},
	} {
		if required.missing && !v.broken("jwt."+required.key) {
			v.problem("jwt", required.hint, "has no %s", required.key)
		}
	}
	if len(j.Audience) > 1 && slices.Contains(j.Audience, "any") {
		v.problem("jwt.audience", "any alone, or the names without it", `"any" includes all the others`)
	}
}

// jwtSecret checks that a secret is long enough, and that it is never used together with public keys. A public key could
// otherwise be taken for a secret, and everybody knows public keys.
func (v *validation) jwtSecret(j *JWT) {
	others := slices.ContainsFunc(j.Algorithms, func(a string) bool { return a != hmacAlgorithm })
	switch {
	case j.Secret == "" && slices.Contains(j.Algorithms, hmacAlgorithm) && !v.broken("jwt.secret"):
		v.problem("jwt.algorithms", "EdDSA or ES256 with keys, or secret: \"${JWT_SECRET}\" and no keys",
			"HS256 needs a secret, and is never used with public keys")
	case j.Secret == "":
	case len(j.Secret) < minSecret:
		v.problem("jwt.secret", "openssl rand -hex 32", "is too short: HS256 needs at least %d bytes", minSecret)
	case j.Keys != "":
		v.problem("jwt.keys", "remove one of them", "keys and secret exclude each other")
	case others:
		v.problem("jwt.algorithms", "remove it: with a secret it is HS256", "a secret is for HS256 only")
	}
}

var algorithms = []string{"EdDSA", "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}

func parseAlgorithm(s string) (string, error) {
	if slices.Contains(algorithms, s) || s == hmacAlgorithm {
		return s, nil
	}
	hint := strings.Join(algorithms, ", ")
	switch {
	case strings.HasPrefix(strings.ToUpper(s), "HS"):
		hint = "let the issuer sign with EdDSA or ES256; with a shared secret, HS256 is the only algorithm"
	case strings.EqualFold(s, "none"):
		hint = "every client can make a token without a signature"
	}
	return "", wrong(hint, "%s is not an algorithm that can be checked with a public key", quote(s))
}

// keySource is a URL, or a file that must exist.
type keySource struct{ p *string }

func (k keySource) read(r *reader, n strictyaml.Value) {
	s, ok := r.Text(n, "one value")
	if !ok {
		return
	}
	if !strings.Contains(s, "://") {
		file(k).read(r, n)
		return
	}
	if err := checkKeyURL(s); err != nil {
		r.refused(n, s, err)
		return
	}
	*k.p = s
}

func (k keySource) show() any {
	if *k.p == "" {
		return nil
	}
	return *k.p
}

func checkKeyURL(s string) error {
	const example = "https://issuer.example/.well-known/jwks.json"
	u, err := url.Parse(s)
	switch {
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return wrong("percent-encode it; a host outside of ASCII has the form xn--...",
			"%s has a character that a URL cannot have", quote(s))
	case err != nil || u.Host == "" || u.Fragment != "":
		return wrong(example, "%s is not a URL", quote(s))
	case u.User != nil:
		return wrong("public keys need no password", "the URL has a user name in it")
	case u.Scheme == "http" && !loopbackHost(u.Hostname()):
		return wrong("https://"+strings.TrimPrefix(s, "http://"), "%s: an attacker on the network could replace the keys", quote(s))
	case u.Scheme != "https" && u.Scheme != "http":
		return wrong(example, "%s is neither https nor http", quote(s))
	}
	return nil
}

func loopbackHost(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func parseClaim(s string) (string, error) { return s, checkClaim(s) }

func checkClaim(s string) error {
	if s == "" || len(s) > 1024 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return wrong("as the token has it, such as https://issuer.example/", "%s is not the name of an issuer or an audience", quote(s))
	}
	return nil
}
