package jwt

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"
)

// identity is what is left of a token that holds: whom it speaks for, and until when.
type identity struct {
	subject string
	until   time.Time
}

// judge decides about the claims of a token whose signature is right.
func (v *Verifier) judge(encoded string, now time.Time) (id identity, refusal *Refusal) {
	data, ok := decode(encoded)
	if !ok {
		return id, errForm
	}
	claims, err := object(data)
	if err != nil {
		return id, errClaims
	}
	if refusal := v.forUs(claims); refusal != nil {
		return id, refusal
	}
	if id.until, refusal = v.lasts(claims, now); refusal != nil {
		return id, refusal
	}
	id.subject, refusal = v.subject(claims)
	return id, refusal
}

// forUs wants the issuer to the letter, and us in the audience, which is a text or a list of them.
func (v *Verifier) forUs(claims map[string]any) *Refusal {
	issuer, isText := claims["iss"].(string)
	if _, has := claims["iss"]; has && !isText {
		return errClaimText
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
		name, isText := a.(string)
		if !isText {
			return errClaimText
		}
		found = found || slices.Contains(v.cfg.Audience, name)
	}
	if !found {
		return errAudience
	}
	return nil
}

// lasts tells until when the token holds, by the gateway's clock. It must say so itself.
func (v *Verifier) lasts(claims map[string]any, now time.Time) (until time.Time, refusal *Refusal) {
	expires, hasExpires, ok1 := date(claims, "exp")
	notBefore, _, ok2 := date(claims, "nbf") // 1970 if there is none
	issued, _, ok3 := date(claims, "iat")
	until = expires.Add(v.cfg.Leeway)
	switch {
	case !ok1 || !ok2 || !ok3:
		return until, errClaimDate
	case !hasExpires:
		return until, errNoExpiry
	case !now.Before(until):
		return until, errExpired
	case now.Add(v.cfg.Leeway).Before(notBefore):
		return until, errNotBefore
	case now.Add(v.cfg.Leeway).Before(issued):
		return until, errIssuedLater
	}
	return until, nil
}

// lastDate is the end of the year 9999. What is later is not seconds, but milliseconds by mistake, or a token for ever.
const lastDate = 253402300799

// date reads a NumericDate (RFC 7519, section 2), which may have a fraction. What is not there is 1970, and fine.
func date(claims map[string]any, name string) (at time.Time, has, ok bool) {
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

// subject is whom the token speaks for. A token need not say.
func (v *Verifier) subject(claims map[string]any) (string, *Refusal) {
	sub, isText := claims["sub"].(string)
	if _, has := claims["sub"]; has && !isText {
		return "", errClaimText
	}
	if strings.ContainsRune(sub, '\uFFFD') {
		return "", errClaimText // encoding/json puts it for half a surrogate pair: two subjects would become one
	}
	if sub == "" {
		return "", nil
	}
	return v.cfg.Issuer + "\x00" + sub, nil
}
