package config

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// The policies of a route: who may pass, how often, and what a repetition gets.

var algorithms = []string{"EdDSA", "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}

func parseAlgorithm(s string) (string, error) {
	if slices.Contains(algorithms, s) {
		return s, nil
	}
	hint := strings.Join(algorithms, ", ")
	switch {
	case strings.HasPrefix(strings.ToUpper(s), "HS"):
		hint = "have the issuer sign with EdDSA or ES256: a secret that checks tokens can also make them"
	case strings.EqualFold(s, "none"):
		hint = "a token without a signature is anybody's"
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

func (k keySource) show() any { return *k.p }

func checkKeyURL(s string) error {
	const example = "https://issuer.example/.well-known/jwks.json"
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Fragment != "":
		return wrong(example, "%s is not a URL", quote(s))
	case u.User != nil:
		return wrong("public keys need no password", "the URL has a user name in it")
	case u.Scheme == "http" && !loopbackHost(u.Hostname()):
		return wrong("https://"+strings.TrimPrefix(s, "http://"), "%s: who is on the way could put other keys in", quote(s))
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
		return wrong("as it stands in the token, such as https://issuer.example/", "%s is no name of an issuer or an audience", quote(s))
	}
	return nil
}

func checkAuth(s string) error {
	if s != "jwt" && s != "off" {
		return wrong("jwt or off", "%s is not a way to authenticate", quote(s))
	}
	return nil
}

func checkScope(s string) error {
	if s != "fleet" && s != "gateway" {
		return wrong("fleet: all gateways together; gateway: each alone", "%s is not a scope", quote(s))
	}
	return nil
}

func checkMode(s string) error {
	if s != "required" && s != "optional" {
		return wrong("required, optional or off", "%s is not a mode", quote(s))
	}
	return nil
}

var (
	rateForm = regexp.MustCompile(`^([0-9]+)/(s|m|h)$`)
	perUnit  = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}
)

func parseRate(s string) (Rate, error) {
	m := rateForm.FindStringSubmatch(s)
	if m == nil {
		return Rate{}, wrong("requests per second, minute or hour: 100/s, 600/m, 1000/h", "%s is not a rate", quote(s))
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n < 1 || n > 1_000_000 {
		return Rate{}, wrong("", "%s is out of range: from 1 to 1000000", quote(s))
	}
	return Rate{n, perUnit[m[2]]}, nil
}

// String is the form of the file: "100/s".
func (r Rate) String() string {
	for _, unit := range []string{"s", "m", "h"} {
		if r.Per == perUnit[unit] {
			return strconv.Itoa(r.Requests) + "/" + unit
		}
	}
	return "0/s"
}

const callerHint = "authorization, ip, header:X-Api-Key, cookie:NAME or all"

func parseCaller(s string) (Caller, error) {
	by, name, named := strings.Cut(s, ":")
	switch needsName := by == "header" || by == "cookie"; {
	case !needsName && !slices.Contains([]string{"authorization", "ip", "all"}, by):
		return Caller{}, wrong(callerHint, "%s does not say who a caller is", quote(s))
	case needsName && !httpToken.MatchString(name):
		return Caller{}, wrong(callerHint, "%s does not name a %s", quote(s), by)
	case !needsName && named:
		return Caller{}, wrong("write "+by, "%s names something, and there is only one %s", quote(s), by)
	}
	return Caller{by, name}, nil
}

// String is the form of the file: "ip", "header:X-Api-Key".
func (c Caller) String() string {
	if c.Name == "" {
		return c.By
	}
	return c.By + ":" + c.Name
}

// jwt wants all that makes a token trustworthy to be said.
func (v *validation) jwt(j *JWT) {
	for _, missing := range []struct {
		is        bool
		key, hint string
	}{
		{len(j.Algorithms) == 0, "algorithms", "algorithms: [EdDSA]"},
		{j.Keys == "", "keys", "keys: https://issuer.example/.well-known/jwks.json"},
		{j.Issuer == "", "issuer", "issuer: https://issuer.example/"},
		{len(j.Audience) == 0, "audience", "audience: shop, or any if tokens of this issuer have none"},
	} {
		if missing.is && !v.broken("jwt."+missing.key) {
			v.problem("jwt", missing.hint, "does not say %s", missing.key)
		}
	}
	if len(j.Audience) > 1 && slices.Contains(j.Audience, "any") {
		v.problem("jwt.audience", "any alone, or the names without it", `"any" takes all the others in`)
	}
}

func (v *validation) policies(path string, r *Route, c *Config) {
	if r.Auth == "jwt" && c.JWT == nil {
		v.problem(path+".auth", "jwt: {algorithms: [EdDSA], keys: jwks.json, issuer: ..., audience: ...}", "nothing says which tokens are good: there is no jwt at the top of the file")
	}
	if l := r.RateLimit; l != nil && l.Rate.Requests == 0 {
		v.problem(path+".rate_limit", "rate: 100/s", "has no rate")
	}
	if i := r.Idempotency; i != nil {
		if i.Mode == "" {
			v.problem(path+".idempotency", "mode: required or optional", "has no mode")
		}
		if c.Store == "none" {
			v.problem(path+".idempotency", "store: auto, or redis://host:6379", "keeps keys and answers in the store, and store is none")
		}
	}
	for name, caller := range r.callers() {
		if caller.By == "header" && strings.Contains(caller.Name, "_") && !c.Limits.Underscores {
			v.problem(path+"."+name+".caller", "set limits.underscores to let them through",
				"%s never arrives: headers with \"_\" are dropped", quote(caller.Name))
		}
	}
}

// callers are those of a route's policies, by key.
func (r *Route) callers() map[string]Caller {
	m := map[string]Caller{}
	if r.RateLimit != nil {
		m["rate_limit"] = r.RateLimit.Caller
	}
	if r.Idempotency != nil {
		m["idempotency"] = r.Idempotency.Caller
	}
	return m
}
