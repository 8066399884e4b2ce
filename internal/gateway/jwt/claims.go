package jwt

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"
)

// identity is what the gateway keeps of a valid token: its subject, and when it expires.
type identity struct {
	subject string
	expires time.Time // includes the leeway
}

// checkClaims checks the claims of a token whose signature is valid.
func (v *Verifier) checkClaims(encoded string, now time.Time) (id identity, refusal *Refusal) {
	data, ok := decode(encoded)
	if !ok {
		return id, errForm
	}
	claims, err := parseObject(data)
	if err != nil {
		return id, errClaims
	}
	if refusal := v.checkParties(claims); refusal != nil {
		return id, refusal
	}
	if id.expires, refusal = v.checkTimes(claims, now); refusal != nil {
		return id, refusal
	}
	id.subject, refusal = v.subjectOf(claims)
	return id, refusal
}

// checkParties checks that the issuer equals the configured one, and that the audience contains a configured one. The
// audience is a string or a list of strings.
func (v *Verifier) checkParties(claims map[string]any) *Refusal {
	issuer, isString := claims["iss"].(string)
	if _, has := claims["iss"]; has && !isString {
		return errClaimString
	}
	if issuer != v.cfg.Issuer {
		return errIssuer
	}
	if len(v.cfg.Audience) == 1 && v.cfg.Audience[0] == "any" {
		return nil
	}
	audience, isList := claims["aud"].([]any)
	if one, has := claims["aud"]; has && !isList {
		audience = []any{one}
	}
	found := false
	for _, a := range audience {
		name, isString := a.(string)
		if !isString {
			return errClaimString
		}
		found = found || slices.Contains(v.cfg.Audience, name)
	}
	if !found {
		return errAudience
	}
	return nil
}

// checkTimes checks exp, nbf and iat by the gateway's clock, and returns when the token expires. exp is required.
func (v *Verifier) checkTimes(claims map[string]any, now time.Time) (expires time.Time, refusal *Refusal) {
	exp, hasExp, ok1 := dateClaim(claims, "exp")
	notBefore, _, ok2 := dateClaim(claims, "nbf") // 1970 without one
	issued, _, ok3 := dateClaim(claims, "iat")
	expires = exp.Add(v.cfg.Leeway)
	switch {
	case !ok1 || !ok2 || !ok3:
		return expires, errClaimDate
	case !hasExp:
		return expires, errNoExpiry
	case !now.Before(expires):
		return expires, errExpired
	case now.Add(v.cfg.Leeway).Before(notBefore):
		return expires, errNotBefore
	case now.Add(v.cfg.Leeway).Before(issued):
		return expires, errIssuedInFuture
	}
	return expires, nil
}

// lastDate is the end of the year 9999. A later date is a mistake, such as milliseconds in place of seconds.
const lastDate = 253402300799

// dateClaim reads a NumericDate (RFC 7519, section 2), which may have a fraction. Without the claim it returns 1970.
func dateClaim(claims map[string]any, name string) (at time.Time, has, ok bool) {
	claim, has := claims[name]
	if !has {
		return time.Unix(0, 0), false, true
	}
	number, isNumber := claim.(json.Number)
	f, err := number.Float64()
	if !isNumber || err != nil || f < 0 || f > lastDate {
		return time.Unix(0, 0), true, false
	}
	whole, fraction := math.Modf(f)
	return time.Unix(int64(whole), int64(fraction*1e9)), true, true
}

// subjectOf returns the issuer and the "sub" claim, joined by a NUL, or "" without the claim.
func (v *Verifier) subjectOf(claims map[string]any) (string, *Refusal) {
	sub, isString := claims["sub"].(string)
	if _, has := claims["sub"]; has && !isString {
		return "", errClaimString
	}
	if strings.ContainsRune(sub, '\uFFFD') {
		// encoding/json replaces half a surrogate pair by U+FFFD, so two subjects could become equal.
		return "", errClaimString
	}
	if sub == "" {
		return "", nil
	}
	return v.cfg.Issuer + "\x00" + sub, nil
}
