package config

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
	"github.com/tenfold-go/tenfold/internal/usertext"
)

// scalar is a value that the file gives as one word.
type scalar[T any] struct {
	p     *T
	parse func(string) (T, error)
	print func(T) string
}

func (s scalar[T]) read(r *reader, n strictyaml.Value) {
	text, ok := r.Text(n, "one value")
	if !ok {
		return
	}
	v, err := s.parse(text)
	if err != nil {
		r.refused(n, text, err)
		return
	}
	*s.p = v
}

func (s scalar[T]) show() any { return s.print(*s.p) }

// list is a value that the file gives as a list of words, or as one word.
type list[T any] struct {
	p     *[]T
	parse func(string) (T, error)
	print func(T) string
	most  int
	omit  bool // leave an empty list out of the effective file
}

func (l list[T]) read(r *reader, n strictyaml.Value) {
	items := r.List(n)
	if len(items) > l.most {
		r.Problem(n, wrong("", "%d values are too many: at most %d", len(items), l.most))
		return
	}
	want := "one value"
	if len(items) == 1 && items[0].Path == n.Path {
		want = "one value or a list of them"
	}
	all := make([]T, 0, len(items))
	for _, item := range items {
		text, ok := r.Text(item, want)
		if !ok {
			continue
		}
		v, err := l.parse(text)
		if err != nil {
			r.refused(item, text, err)
			continue
		}
		all = append(all, v)
	}
	if len(all) == 0 {
		all = nil
	}
	*l.p = all
}

func (l list[T]) show() any {
	if len(*l.p) == 0 && l.omit {
		return nil
	}
	all := make([]string, len(*l.p))
	for i, v := range *l.p {
		all[i] = l.print(v)
	}
	return all
}

func word(s string) string { return s }

// words returns the values as texts.
func words[T ~string](all []T) []string {
	texts := make([]string, len(all))
	for i, v := range all {
		texts[i] = string(v)
	}
	return texts
}

// choice is one of a closed set of words. what names the set in a problem: "a scope".
func choice[T ~string](p *T, hint, what string, all ...T) value {
	return scalar[T]{p, func(s string) (T, error) { return parseChoice(s, hint, what, all) }, func(v T) string { return string(v) }}
}

func parseChoice[T ~string](s, hint, what string, all []T) (T, error) {
	if !slices.Contains(all, T(s)) {
		return "", wrong(hint, "%s is not %s", quote(s), what)
	}
	return T(s), nil
}

// text is a string that check accepts.
func text(p *string, check func(string) error) value {
	return scalar[string]{p, func(s string) (string, error) { return s, check(s) }, word}
}

func toggle(p *bool) value { return scalar[bool]{p, parseToggle, strconv.FormatBool} }

func parseToggle(s string) (bool, error) {
	switch s {
	case "true", "on":
		return true, nil
	case "false", "off":
		return false, nil
	}
	return false, wrong("true or false", "%s is neither true nor false", quote(s))
}

// whole is a whole number.
func whole(p *int, least, most int) value {
	return scalar[int]{p, func(s string) (int, error) { return parseWhole(s, least, most) }, strconv.Itoa}
}

var digits = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

func parseWhole(s string, least, most int) (int, error) {
	if !digits.MatchString(s) {
		if err := usertext.CheckNumber(s); err != nil {
			return 0, err
		}
		return 0, wrong(fmt.Sprintf("a number from %d to %d", least, most), "%s is not a whole number", quote(s))
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		return 0, wrong("", "%s is out of range: from %d to %d", quote(s), least, most)
	}
	return n, nil
}

// number is a number that may have a fraction.
func number(p *float64, least, most float64) value {
	return scalar[float64]{p, func(s string) (float64, error) { return parseNumber(s, least, most) }, printNumber}
}

var decimal = regexp.MustCompile(`^-?[0-9]{1,15}(\.[0-9]{1,20})?$`)

func parseNumber(s string, least, most float64) (float64, error) {
	if !decimal.MatchString(s) {
		return 0, wrong("a number such as 2 or 1.9", "%s is not a number", quote(s))
	}
	if err := usertext.CheckNumber(s); err != nil && most >= 1000 {
		return 0, err
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < least || f > most {
		return 0, wrong("", "%s is out of range: from %s to %s", quote(s), printNumber(least), printNumber(most))
	}
	return f, nil
}

func printNumber(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// share is a part of a whole: "10%" or 0.1.
func share(p *float64, least float64) value {
	return scalar[float64]{p, func(s string) (float64, error) { return parseShare(s, least) }, printShare}
}

func parseShare(s string, least float64) (float64, error) {
	percent, isPercent := strings.CutSuffix(s, "%")
	if !decimal.MatchString(percent) {
		return 0, wrong(`a share such as "10%" or 0.1`, "%s is not a share", quote(s))
	}
	f, err := strconv.ParseFloat(percent, 64)
	if isPercent {
		f /= 100
	}
	switch {
	case err == nil && f > 1 && !isPercent:
		return 0, wrong(fmt.Sprintf("write %s%% or a number up to 1", percent), "%s is more than the whole", quote(s))
	case err != nil || f < least || f > 1:
		return 0, wrong("", "%s is out of range: from %s to 100%%", quote(s), printShare(least))
	}
	return f, nil
}

func printShare(f float64) string {
	percent := printNumber(math.Round(f*1e6)/1e4) + "%"
	if back, err := parseShare(percent, 0); err == nil && back == f {
		return percent
	}
	return printNumber(f)
}

// duration is a time with a unit; without a unit it counts seconds. The longest is a day, so that every wait ends.
func duration(p *time.Duration, least time.Duration) value {
	return scalar[time.Duration]{p, func(s string) (time.Duration, error) { return parseDuration(s, least) }, printDuration}
}

const maxDuration = 24 * time.Hour

var (
	seconds   = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,9})?$`)
	unitWords = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?(ms|millis|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)$`)
)

func parseDuration(s string, least time.Duration) (time.Duration, error) {
	if err := usertext.CheckNumber(s); err != nil {
		return 0, err
	}
	unit := ""
	if seconds.MatchString(s) {
		unit = "s"
	}
	d, err := time.ParseDuration(s + unit)
	switch {
	case err != nil:
		hint := "a number and a unit, such as 500ms, 2s or 1m30s"
		if m := unitWords.FindStringSubmatch(strings.ToLower(s)); m != nil {
			unit := m[2][:1]
			if strings.HasPrefix(m[2], "ms") || strings.HasPrefix(m[2], "milli") {
				unit = "ms"
			}
			hint = "write " + m[1] + unit
		}
		return 0, wrong(hint, "%s is not a duration", quote(s))
	case unit != "" && (d < least || d > maxDuration):
		return 0, wrong("a number without a unit counts seconds", "%s is out of range: from %s to %s", quote(s), printDuration(least), printDuration(maxDuration))
	case d < least || d > maxDuration:
		return 0, wrong("", "%s is out of range: from %s to %s", quote(s), printDuration(least), printDuration(maxDuration))
	}
	return d, nil
}

func printDuration(d time.Duration) string {
	s := d.String()
	if cut, ok := strings.CutSuffix(s, "m0s"); ok {
		s = cut + "m"
	}
	if cut, ok := strings.CutSuffix(s, "h0m"); ok {
		s = cut + "h"
	}
	return s
}

// size is a number of bytes.
func size[T int | int64](p *T, least, most int64) value {
	parse := func(s string) (T, error) {
		n, err := parseSize(s, least, most)
		return T(n), err
	}
	return scalar[T]{p, parse, func(n T) string { return printSize(int64(n)) }}
}

var (
	sizeForm  = regexp.MustCompile(`^(-?[0-9]{1,18})(B|KiB|MiB|GiB|TiB)?$`)
	looseSize = regexp.MustCompile(`^([0-9]+) ?([KMGTkmgt])[Ii]?[Bb]?$`)
	sizeUnits = []struct {
		name  string
		bytes int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}
)

func parseSize(s string, least, most int64) (int64, error) {
	m := sizeForm.FindStringSubmatch(s)
	if err := usertext.CheckNumber(s); err != nil {
		return 0, err
	}
	if m == nil {
		hint := "a number of bytes, such as 8192, 32KiB or 1MiB"
		if loose := looseSize.FindStringSubmatch(s); loose != nil {
			hint = "write " + loose[1] + strings.ToUpper(loose[2]) + "iB"
		}
		return 0, wrong(hint, "%s is not a size", quote(s))
	}
	n, _ := strconv.ParseInt(m[1], 10, 64) // 18 digits fit
	unit := int64(1)
	for _, u := range sizeUnits {
		if u.name == m[2] {
			unit = u.bytes
		}
	}
	if n > most/unit || n*unit < least || n < 0 {
		return 0, wrong("", "%s is out of range: from %s to %s", quote(s), printSize(least), printSize(most))
	}
	return n * unit, nil
}

func printSize(n int64) string {
	for _, u := range sizeUnits {
		if n != 0 && n%u.bytes == 0 && u.bytes > 1 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}
