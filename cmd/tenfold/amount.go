package main

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// amount is the value of a flag that cannot be negative, such as a number or a rate. It may have commas: 50,000.
type amount[T any] struct {
	value T
	given bool
}

var (
	negative  = regexp.MustCompile(`^-[.0-9]`)
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
		ctx.Scan.PushTyped(ungrouped(text), token.Type)
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
