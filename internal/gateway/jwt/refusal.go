package jwt

// Reason says why a token is refused, in a form that is safe to tell the client. It is one of the constants below.
type Reason string

const (
	Missing   Reason = "missing"       // the request has no token
	Malformed Reason = "malformed"     // not a token, or an ambiguous one
	Signature Reason = "signature"     // invalid signature, or no accepted key for it; clients are not told which
	Expired   Reason = "expired"       // exp is over
	NotBefore Reason = "not_yet_valid" // nbf or iat is in the future
	NoKeys    Reason = "no_keys"       // not the token's fault: the keys could not be read yet

	WrongAudienceOrIssuer Reason = "foreign" // another issuer, or another audience
)

// reasons lists all of them, for the metrics.
var reasons = []Reason{Missing, Malformed, Signature, Expired, NotBefore, WrongAudienceOrIssuer, NoKeys}

// Refusal is a Reason and the exact cause, which is only for the log. It contains no part of the token.
type Refusal struct {
	Reason Reason
	detail string
}

func (r *Refusal) Error() string { return r.detail }

var (
	errMissing        = &Refusal{Missing, "request has no bearer token"}
	errTooLong        = &Refusal{Malformed, "token is longer than 8 KiB"}
	errForm           = &Refusal{Malformed, "token is not three parts in base64url"}
	errHeader         = &Refusal{Malformed, "token header is not a JSON object with unique names"}
	errHeaderField    = &Refusal{Malformed, "token alg or kid is not a string"}
	errCritical       = &Refusal{Malformed, "token has a crit header, and no extension is supported"}
	errType           = &Refusal{Malformed, "token typ is not that of an access token"}
	errClaims         = &Refusal{Malformed, "token claims are not a JSON object with unique names"}
	errClaimString    = &Refusal{Malformed, "token iss, sub or aud is not a string"}
	errClaimDate      = &Refusal{Malformed, "token exp, nbf or iat is not a number of seconds since 1970"}
	errNoExpiry       = &Refusal{Malformed, "token has no exp"}
	errAlgorithm      = &Refusal{Signature, "token algorithm is not accepted"}
	errUnknownKey     = &Refusal{Signature, "token key is unknown"}
	errOtherKey       = &Refusal{Signature, "token key is for another algorithm"}
	errAmbiguousKey   = &Refusal{Signature, "token has no kid, and several keys match its algorithm"}
	errSignature      = &Refusal{Signature, "token signature is invalid"}
	errIssuer         = &Refusal{WrongAudienceOrIssuer, "token is from another issuer"}
	errAudience       = &Refusal{WrongAudienceOrIssuer, "token is for another audience"}
	errExpired        = &Refusal{Expired, "token has expired"}
	errNotBefore      = &Refusal{NotBefore, "token is not valid yet"}
	errIssuedInFuture = &Refusal{NotBefore, "token was issued in the future"}
	errNoKeys         = &Refusal{NoKeys, "keys could not be read yet"}
)
