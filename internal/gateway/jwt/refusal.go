package jwt

// Reason is why a token is refused: what is safe to tell a stranger. It is a word from a closed set.
type Reason string

const (
	Missing   Reason = "missing"       // there is none
	Malformed Reason = "malformed"     // it is no token, or one that could be read in two ways
	Signature Reason = "signature"     // the signature is wrong, or no key that we accept has made it: which of them, nobody is told
	Expired   Reason = "expired"       //
	NotYet    Reason = "not_yet_valid" // nbf, or a moment of issue, in the future
	Foreign   Reason = "foreign"       // of another issuer, or for another audience
	NoKeys    Reason = "no_keys"       // no fault of the token: the keys could not be read yet
)

// reasons are all of them, for what counts them.
var reasons = []Reason{Missing, Malformed, Signature, Expired, NotYet, Foreign, NoKeys}

// Refusal is a Reason and, for the log alone, what it was exactly. It has nothing of the token in it.
type Refusal struct {
	Reason Reason
	detail string
}

func (r *Refusal) Error() string { return r.detail }

var (
	errMissing     = &Refusal{Missing, "request has no bearer token"}
	errTooLong     = &Refusal{Malformed, "token is longer than 8 KiB"}
	errForm        = &Refusal{Malformed, "token is not three parts in base64url"}
	errHeader      = &Refusal{Malformed, "token's header is not a JSON object whose names are unique"}
	errHeaderField = &Refusal{Malformed, "token's alg or kid is not a text"}
	errCritical    = &Refusal{Malformed, "token has critical extensions, and none is known"}
	errType        = &Refusal{Malformed, "token's typ is that of something else"}
	errClaims      = &Refusal{Malformed, "token's claims are not a JSON object whose names are unique"}
	errClaimText   = &Refusal{Malformed, "token's iss, sub or aud is not a text"}
	errClaimDate   = &Refusal{Malformed, "token's exp, nbf or iat is not a number of seconds since 1970"}
	errNoExpiry    = &Refusal{Malformed, "token has no exp"}
	errAlgorithm   = &Refusal{Signature, "token's algorithm is not one that is accepted"}
	errUnknownKey  = &Refusal{Signature, "token's key is unknown"}
	errOtherKey    = &Refusal{Signature, "token's key is for another algorithm"}
	errWhichKey    = &Refusal{Signature, "token does not say which of several keys is its own"}
	errSignature   = &Refusal{Signature, "token's signature is wrong"}
	errIssuer      = &Refusal{Foreign, "token is of another issuer"}
	errAudience    = &Refusal{Foreign, "token is for another audience"}
	errExpired     = &Refusal{Expired, "token has expired"}
	errNotBefore   = &Refusal{NotYet, "token is not valid yet"}
	errIssuedLater = &Refusal{NotYet, "token was issued in the future"}
	errNoKeys      = &Refusal{NoKeys, "no keys could be read yet"}
)
