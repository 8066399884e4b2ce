package usertext

import (
	"fmt"
	"regexp"
	"strings"
)

// grouped matches a number whose points may separate thousands. The rest is a unit.
var grouped = regexp.MustCompile(`^([+-]?)([1-9][0-9]{0,2}(?:\.[0-9]{3})+)([^0-9.].*)?$`)

// CheckNumber fails with an *Error for a number such as 1.000 or 1.500ms: in some countries the point separates
// thousands, so the number may mean 1 or 1000. It returns nil for any other text, also if it is not a number.
func CheckNumber(text string) error {
	m := grouped.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return nil
	}
	sign, digits, unit := m[1], m[2], m[3]
	thousand := sign + strings.ReplaceAll(digits, ".", "") + unit
	hint := "write " + thousand
	if strings.Count(digits, ".") == 1 {
		whole, fraction, _ := strings.Cut(digits, ".")
		decimal := whole
		if short := strings.TrimRight(fraction, "0"); len(short) == 3 {
			decimal += "." + fraction + "0"
		} else if short != "" {
			decimal += "." + short
		}
		hint += " or " + sign + decimal + unit
	}
	return &Error{Message: fmt.Sprintf("%q can mean two numbers, because some countries separate thousands with a point",
		text), hint: hint}
}
