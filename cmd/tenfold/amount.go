package main

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tenfold-go/tenfold/internal/usertext"
)

// amount is the value of a flag that cannot be negative, such as a number or a rate. It may have commas: 50,000. A number
// such as 50.000 is refused, because it may mean 50 or 50000.
type amount[T any] struct {
	value T
	given bool
}

var (
	negative  = regexp.MustCompile(`^-[.0-9]`)
	seconds   = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)                      // a time without a unit
	thousands = regexp.MustCompile(`^[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]+)?$`) // 0,5 is a decimal comma
)

// Decode reads the value. It refuses "-5" itself: kong would take it for a flag and suggest a form that is also
// refused.
func (n *amount[T]) Decode(ctx *kong.DecodeContext) error {
	token := ctx.Scan.Pop()
	text := token.String()
	switch {
	case token.IsEOL():
		ctx.Scan.PushToken(token)
	case negative.MatchString(text):
		return fmt.Errorf("%q: want a value that is not negative", text)
	default:
		if err := n.checkNumber(text); err != nil {
			return err
		}
		text := ungrouped(text)
		if _, isTime := any(n.value).(time.Duration); isTime && seconds.MatchString(text) {
			text += "s"
		}
		ctx.Scan.PushTyped(text, token.Type)
	}
	value := reflect.ValueOf(&n.value).Elem()
	if err := kong.NewRegistry().RegisterDefaults().ForValue(value).Decode(ctx, value); err != nil {
		return err
	}
	switch any(n.value).(type) {
	case int, float64, time.Duration:
		if value.IsZero() {
			return fmt.Errorf("%s: want a value above 0", text)
		}
	}
	n.given = true
	return nil
}

// checkNumber refuses a number such as 1.000, which may mean 1 or 1000. The types of package plan check their own texts.
func (n *amount[T]) checkNumber(text string) error {
	switch any(n.value).(type) {
	case int, float64, time.Duration:
		return usertext.CheckNumber(text)
	}
	return nil
}

// ungrouped returns a number without the commas between its thousands.
func ungrouped(text string) string {
	if thousands.MatchString(text) {
		return strings.ReplaceAll(text, ",", "")
	}
	return text
}

// pointer returns the value, or nil if the flag was not given.
func (n *amount[T]) pointer() *T {
	if !n.given {
		return nil
	}
	return &n.value
}
