package recording

import (
	"regexp"
	"strings"
)

// secretName matches names of fields, parameters and headers whose values are secrets.
var secretName = regexp.MustCompile(`(?i)(passw|passphrase|pwd|secret|token|csrf|xsrf|auth([^o]|$)|session|sid$|nonce|api[-_]?key|` +
	`access[-_]?key|private|signature|^sig$|credential|otp|^pin$|^code$|^state$|verifier|assertion|card[-_]?n|^card$|cvv|cvc|iban|^jwt$|bearer)`)

var (
	jwtForm   = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*\.?[A-Za-z0-9_-]*`)
	hexForm   = regexp.MustCompile(`^[0-9a-fA-F]{32,}$`)
	uuidForm  = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	tokenForm = regexp.MustCompile(`^[A-Za-z0-9_\-+/=.~]{20,}$`)
	keyPrefix = regexp.MustCompile(`^(sk|pk|rk|ghp|gho|ghs|xox[abp]|glpat|AKIA|ya29)[-_A-Z0-9.]`)
)

// isSecret reports whether a value must not be copied: by its name, or because it looks like a token.
func isSecret(name, value string) bool {
	return value != "" && (secretName.MatchString(name) || looksSecret(value))
}

// looksSecret reports whether a value looks like a token: a JSON web token, a long hexadecimal number, or long text with
// digits, small and capital letters.
func looksSecret(value string) bool {
	if jwtForm.MatchString(value) || hexForm.MatchString(value) || keyPrefix.MatchString(value) && len(value) >= 16 {
		return true
	}
	if !tokenForm.MatchString(value) || uuidForm.MatchString(value) {
		return false
	}
	return strings.ContainsAny(value, "0123456789") && strings.ToLower(value) != value && strings.ToUpper(value) != value
}

// isDynamic reports whether a value was probably made by the service for this visit, such as the number of an order.
func isDynamic(name, value string) bool {
	return isSecret(name, value) || uuidForm.MatchString(value) || len(value) >= 6 && strings.ContainsAny(value, "0123456789")
}
